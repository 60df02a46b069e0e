/** Where bytes stop being UTF-8. */
import { isUtf8 } from "node:buffer";

/** Index of the first byte that is not part of valid UTF-8 (the length when all are): bisects on prefixes, each cut back to a character's start. */
export function firstInvalidUtf8(bytes: Uint8Array): number {
  let valid = 0;
  let invalid = bytes.length;
  while (invalid - valid > 4) {
    let middle = valid + ((invalid - valid) >> 1);
    for (let back = 0; back < 3 && middle > valid && (bytes[middle]! & 0xc0) === 0x80; back++) middle--;
    if (middle === valid) break;
    if (isUtf8(bytes.subarray(valid, middle))) valid = middle;
    else invalid = middle;
  }
  for (let length = 1; valid < invalid; length++) {
    if (isUtf8(bytes.subarray(valid, valid + length))) {
      valid += length;
      length = 0;
    } else if (length === 4) break;
  }
  return valid;
}
