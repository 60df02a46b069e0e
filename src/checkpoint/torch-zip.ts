/**
 * torch.save since 1.6: a zip archive with the object in `<folder>/data.pkl` and each storage in `<folder>/data/<key>`,
 * stored uncompressed. TorchScript archives add `constants.pkl`, whose storages are in `constants/`, and code.
 */
import { crc32 } from "node:zlib";
import { CheckpointError } from "./checkpoint";
import type { Finding } from "../protocol/results";
import { PicklePersistent, PickleTuple, type PickleValue } from "./pickle-values";
import { grouped, quote } from "./quote";
import { spoolFile, versionKey } from "./spool";
import { MAX_PICKLE_BYTES, storageId, torchFile, TorchGlobals, type TorchFile, type TorchSource } from "./torch-container";
import type { StorageRecord, TorchStorage } from "./torch-storage";
import { TorchTensors } from "./torch-tensors";
import { TorchTreeWalk } from "./torch-tree";
import { readZip, STORED, type ZipArchive, type ZipEntry } from "./zip";

/**
 * Reads the archive's directory and its pickles; no storage.
 * @param rootName names a tensor or object that is the whole file.
 * @throws CheckpointError that names the record or tensor.
 */
export async function readTorchZip(context: TorchSource, rootName: string): Promise<TorchFile> {
  const records = new Records(context, await readZip(context.source));
  const bigEndian = await records.isBigEndian();
  const globals = new TorchGlobals();
  const findings: Finding[] = [];
  const scripted = records.find("constants.pkl") !== null;

  const storages = new Map<PicklePersistent, TorchStorage>();
  const readRecord = async (pickle: string, folder: string): Promise<PickleValue> => {
    const { bytes, base } = await records.pickle(pickle, findings);
    const persistent = (id: PickleValue): PickleValue => {
      const reference = new PicklePersistent(id);
      const storage = storageId(id, context.file.path);
      if (storage !== null) storages.set(reference, { record: records.storage(folder, storage.key, storage.bytes, bigEndian), dtype: storage.dtype, offset: 0, bytes: storage.bytes });
      return reference;
    };
    return globals.read(bytes, { file: context.file.path, what: pickle, ...(base === undefined ? {} : { base }), persistent }).value;
  };

  const tensors = new TorchTensors(context.file.path, (reference) => (reference instanceof PicklePersistent ? storages.get(reference) : undefined));
  const walk = new TorchTreeWalk({
    file: context.file.path,
    rootName,
    tensorOf: (call, name) => tensors.of(call, name),
    isOwnClass: (name) => scripted && isScripted(name),
  });
  walk.walk(await readRecord("data.pkl", "data"));
  const constants = scripted ? await readRecord("constants.pkl", "constants") : null;
  if (constants instanceof PickleTuple) walk.walk(constants, "constants");
  if (scripted) {
    findings.push({ rule: "holds-code", severity: "info", message: "This is a TorchScript archive: besides tensors it holds code, which torch.jit.load runs when the model is called." });
    for (const name of [...globals.used.keys()]) if (isScripted(name)) globals.used.delete(name);
  }
  return torchFile(walk.result(), globals.used, context, [...findings, ...records.strangers()]);
}

/** Classes that the archive's own code defines, and the helpers that torch.jit's reader knows without importing them. */
function isScripted(name: string): boolean {
  return /^(?:__torch__\.|torch\.jit\._pickle\.)/.test(name);
}

/** The archive's members, by their names below its folder. */
class Records {
  private readonly folder: string;
  /** By name in lower case: torch's zip reader does not tell cases apart. */
  private readonly entries = new Map<string, ZipEntry[]>();
  private readonly made = new Map<string, StorageRecord>();

  constructor(private readonly context: TorchSource, private readonly archive: ZipArchive) {
    const [first] = archive.entries;
    const slash = first?.name.indexOf("/") ?? -1;
    if (slash < 0) this.refuse("the archive's first member lies in no folder; torch.save puts all of them into one");
    // As torch does: the folder of the first member, whatever the file is called.
    this.folder = first!.name.slice(0, slash + 1);
    for (const entry of archive.entries) {
      const key = entry.name.toLowerCase();
      const same = this.entries.get(key);
      if (same === undefined) this.entries.set(key, [entry]);
      else same.push(entry);
    }
  }

  find(name: string): ZipEntry | null {
    const full = this.folder + name;
    const same = this.entries.get(full.toLowerCase());
    if (same === undefined) return null;
    if (same.length > 1) this.refuse(`the archive has ${grouped(same.length)} members that torch takes for ${quote(full)}`, full);
    return same[0]!;
  }

  async isBigEndian(): Promise<boolean> {
    const entry = this.find("byteorder");
    if (entry === null) return false;
    const order = Buffer.from(await this.archive.readEntry(entry, 16)).toString("latin1");
    if (order !== "little" && order !== "big") this.refuse(`the archive's byte order is ${quote(order)}, neither "little" nor "big"`, entry.name);
    return order === "big";
  }

  async pickle(name: string, findings: Finding[]): Promise<{ bytes: Uint8Array; base: number | undefined }> {
    const entry = this.find(name) ?? this.refuse(`the archive has no ${quote(this.folder + name)}; it was not written by torch.save`);
    const bytes = await this.archive.readEntry(entry, MAX_PICKLE_BYTES);
    if (crc32(bytes) !== entry.crc32) {
      findings.push({ rule: "record-checksum", severity: "warning", message: `The record ${quote(entry.name)} does not match its checksum in the archive; torch.load does not check it.` });
    }
    return { bytes, base: entry.method === STORED ? entry.dataOffset : undefined };
  }

  /** Tensors that name the same key share the record. */
  storage(folder: string, key: string, bytes: number, bigEndian: boolean): StorageRecord {
    const name = `${folder}/${key}`;
    const entry = this.find(name) ?? this.refuse(`the archive has no record ${quote(this.folder + name)}, which a tensor's storage refers to`, name);
    if (entry.bytes < bytes) this.refuse(`the record ${quote(entry.name)} has ${grouped(entry.bytes)} bytes but its storage needs ${grouped(bytes)}`, entry.name);
    let record = this.made.get(name);
    if (record === undefined) {
      record = { name: entry.name, fileOffset: entry.method === STORED ? entry.dataOffset : null, bytes: entry.bytes, bigEndian, spool: (signal) => this.spool(entry, signal) };
      this.made.set(name, record);
    }
    return record;
  }

  /** Members that look like another model, which torch does not see. */
  strangers(): Finding[] {
    return this.archive.entries
      .filter(({ name }) => /(?:^|\/)data\.pkl$/i.test(name) && name !== `${this.folder}data.pkl`)
      .slice(0, 3)
      .map(({ name }) => ({ rule: "second-pickle", severity: "warning", message: `The archive also holds ${quote(name)}, which torch.load does not read.` }));
  }

  private async spool(entry: ZipEntry, signal?: AbortSignal): Promise<string> {
    const { file, sources } = this.context;
    return spoolFile(`${versionKey(file)} ${entry.name}`, async (out, writing) => {
      const source = await sources.open(file.path);
      try {
        await (await readZip(source)).extract(entry, (piece) => out.writeFile(piece), writing);
      } finally {
        await source.close();
      }
    }, signal);
  }

  private refuse(message: string, key?: string): never {
    throw new CheckpointError("malformed", message, this.context.file.path, key === undefined ? {} : { key });
  }
}
