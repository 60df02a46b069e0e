/** Decompressing a member and comparing its checksum on the way. */
import { crc32 } from "node:zlib";
import { CheckpointError } from "./checkpoint";
import { quote } from "./quote";
import type { ZipArchive, ZipEntry } from "./zip";

/**
 * Hands the decompressed bytes of one member to `write`, piece by piece.
 * @throws CheckpointError at the end when their CRC-32 is not the archive's, and whatever `ZipArchive.extract` throws.
 */
export async function extractChecked(archive: ZipArchive, entry: ZipEntry, file: string, write: (piece: Uint8Array) => Promise<void>, signal?: AbortSignal): Promise<void> {
  let crc = 0;
  await archive.extract(
    entry,
    async (piece) => {
      crc = crc32(piece, crc);
      await write(piece);
    },
    signal,
  );
  if (crc !== entry.crc32) {
    throw new CheckpointError("malformed", `the member ${quote(entry.name)} is damaged: its CRC-32 is not the one in the archive`, file, { offset: entry.dataOffset, key: entry.name });
  }
}
