/**
 * torch.save before 0.1.10: a tar archive of `storages`, `tensors` and `pickle`. Storages and tensors are numbered, and
 * the object's pickle refers to both by their numbers.
 */
import { CheckpointError } from "./checkpoint";
import type { Unpickled } from "./pickle";
import { PickleStream } from "./pickle-stream";
import { PickleCall, PickleGlobal, PickleList, PicklePersistent, PickleTuple, type PickleValue } from "./pickle-values";
import { grouped, quote } from "./quote";
import { MAX_PICKLE_BYTES, torchFile, TorchGlobals, type TorchFile, type TorchSource } from "./torch-container";
import { storageDtype } from "./torch-dtypes";
import type { StorageRecord, TorchStorage } from "./torch-storage";
import { TorchTensors } from "./torch-tensors";
import { TorchTreeWalk } from "./torch-tree";
import { WindowedReader } from "./windowed";

const BLOCK = 512;

/** torch writes four. */
const MAX_MEMBERS = 100;

/** Storages and tensors, each. */
const MAX_COUNT = 600_000;

const MAX_AXES = 64;

interface Member {
  start: number;
  bytes: number;
}

/** Whether `start`, a file's first 512 bytes, is the header of a tar archive. */
export function isTar(start: Uint8Array): boolean {
  return start.length === BLOCK && checksum(start) === octal(start, 148, 8);
}

/** Sum of the header's bytes with those of the checksum itself taken as spaces. */
function checksum(header: Uint8Array): number {
  return header.reduce((sum, byte, i) => sum + (i >= 148 && i < 156 ? 32 : byte), 0);
}

/** A number in octal digits, or in base 256 when its first bit is set. */
function octal(header: Uint8Array, at: number, length: number): number {
  if ((header[at]! & 0x80) !== 0) return header.subarray(at + 1, at + length).reduce((value, byte) => value * 256 + byte, header[at]! & 0x7f);
  const text = textOf(header.subarray(at, at + length)).trim();
  return /^[0-7]+$/.test(text) ? parseInt(text, 8) : Number.NaN;
}

function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString("latin1");
}

/**
 * Reads the headers, the three members' pickles and the numbers between them; no storage.
 * @param rootName names a tensor or object that is the whole file.
 */
export async function readTorchTar(context: TorchSource, rootName: string): Promise<TorchFile> {
  return new TarReader(context, await readMembers(context)).read(rootName);
}

async function readMembers({ source, file }: TorchSource): Promise<Map<string, Member>> {
  const members = new Map<string, Member>();
  for (let at = 0, count = 0; at + BLOCK <= file.bytes; count++) {
    const refuse = (message: string): never => {
      throw new CheckpointError("malformed", `${message} (tar header at byte ${grouped(at)})`, file.path, { offset: at });
    };
    const header = await source.read(at, BLOCK);
    if (header.every((byte) => byte === 0)) break;
    if (checksum(header) !== octal(header, 148, 8)) refuse("the tar archive has a damaged header");
    if (count === MAX_MEMBERS) refuse(`the tar archive has more than ${MAX_MEMBERS} members`);
    const name = textOf(header.subarray(0, 100)).replace(/^\.\//, "");
    const bytes = octal(header, 124, 12);
    const start = at + BLOCK;
    if (!Number.isSafeInteger(bytes)) refuse(`the tar archive's member ${quote(name)} has no size`);
    if (start + bytes > file.bytes) {
      throw new CheckpointError("truncated", `the tar archive's member ${quote(name)} would end at byte ${grouped(start + bytes)} but the file has ${grouped(file.bytes)}`, file.path, { offset: at, key: name });
    }
    // Of the other kinds (folders, links) torch needs none.
    if (header[156] === 0 || header[156] === 0x30) {
      if (members.has(name)) refuse(`the tar archive has two members named ${quote(name)}`);
      members.set(name, { start, bytes });
    }
    at = start + Math.ceil(bytes / BLOCK) * BLOCK;
  }
  return members;
}

class TarReader {
  private readonly globals = new TorchGlobals();
  private readonly storages = new Map<number, TorchStorage>();
  /** Calls that would rebuild the numbered tensors. */
  private readonly tensors = new Map<number, PickleCall>();
  private readonly references = new Map<PicklePersistent, TorchStorage>();

  constructor(private readonly context: TorchSource, private readonly members: ReadonlyMap<string, Member>) {}

  async read(rootName: string): Promise<TorchFile> {
    const { path } = this.context.file;
    await this.readStorages();
    await this.readTensors();
    const { value } = await this.next(this.stream("pickle"), "pickle", (id) => this.persistent(id));
    const tensors = new TorchTensors(path, (reference) => (reference instanceof PicklePersistent ? this.references.get(reference) : undefined));
    const walk = new TorchTreeWalk({ file: path, rootName, tensorOf: (call, name) => tensors.of(call, name) });
    walk.walk(value);
    return torchFile(walk.result(), this.globals.used, this.context);
  }

  /** A count; for each storage (number, device, class), a 64-bit count of elements and the elements; then views of them. */
  private async readStorages(): Promise<void> {
    const stream = this.stream("storages");
    const { end } = this.place("storages");
    const reader = new WindowedReader(this.context.source, end);
    for (let left = await this.count(stream, "storages"); left > 0; left--) {
      const [number, , type] = await this.fields(stream, "storages", 3);
      const dtype = type instanceof PickleGlobal ? storageDtype(type.name) : undefined;
      if (typeof number !== "number" || dtype === undefined || dtype === "bytes") return this.refuse("a storage has no number or no known class");
      if (stream.position + 8 > end) this.refuse(`the storage ${number} has no count of elements`);
      const count = Buffer.from(await reader.at(stream.position, 8)).readBigInt64LE();
      const start = stream.position + 8;
      if (count < 0n || count * BigInt(dtype.bytes) > BigInt(end - start)) this.refuse(`the storage ${number} says ${grouped(count)} elements, which reach beyond the member "storages"`, start - 8);
      const bytes = Number(count) * dtype.bytes;
      const record: StorageRecord = { name: String(number), fileOffset: start, bytes, bigEndian: false };
      if (this.storages.has(number)) this.refuse(`two storages have the number ${number}`);
      this.storages.set(number, { record, dtype, offset: 0, bytes });
      stream.position = start + bytes;
    }
    const views = (await this.next(stream, "storages")).value;
    for (const view of views instanceof PickleList ? views.items : []) {
      const [number, root, offset, count] = view instanceof PickleTuple ? view.items : [];
      const storage = typeof root === "number" ? this.storages.get(root) : undefined;
      const itemBytes = storage?.dtype?.bytes ?? 1;
      if (storage === undefined || typeof number !== "number" || typeof offset !== "number" || typeof count !== "number" || !(offset >= 0) || !(count >= 0) || !((offset + count) * itemBytes <= storage.bytes)) {
        return this.refuse("a view of a storage lies outside it");
      }
      this.storages.set(number, { ...storage, offset: storage.offset + offset * itemBytes, bytes: count * itemBytes });
    }
  }

  /** A count; for each tensor (number, storage, class), its number of axes (32 bits and 32 unused), shape, strides and offset. */
  private async readTensors(): Promise<void> {
    const stream = this.stream("tensors");
    const { end } = this.place("tensors");
    const reader = new WindowedReader(this.context.source, end);
    for (let left = await this.count(stream, "tensors"); left > 0; left--) {
      const [number, storageNumber] = await this.fields(stream, "tensors", 3);
      const storage = typeof storageNumber === "number" ? this.storages.get(storageNumber) : undefined;
      if (typeof number !== "number" || storage === undefined) return this.refuse("a tensor has no number or no storage");
      const axes = stream.position + 8 <= end ? Buffer.from(await reader.at(stream.position, 8)).readInt32LE() : -1;
      if (axes < 0 || axes > MAX_AXES) this.refuse(`the tensor ${number} has ${axes} axes`, stream.position);
      const length = 8 * (2 * axes + 1);
      if (stream.position + 8 + length > end) this.refuse(`the tensor ${number} is cut short`, stream.position);
      const fields = Buffer.from(await reader.at(stream.position + 8, length));
      const values = Array.from({ length: 2 * axes + 1 }, (_, i) => Number(fields.readBigInt64LE(8 * i)));
      const reference = new PicklePersistent(number);
      this.references.set(reference, storage);
      this.tensors.set(number, new PickleCall(new PickleGlobal("torch._utils._rebuild_tensor"), [reference, values[2 * axes]!, new PickleTuple(values.slice(0, axes)), new PickleTuple(values.slice(axes, 2 * axes))]));
      stream.position += 8 + length;
    }
  }

  /** The number of a tensor or storage, or `(class, source file, source)`, which stands for the class. */
  private persistent(id: PickleValue): PickleValue {
    if (id instanceof PickleTuple && id.items[0] !== undefined) return id.items[0];
    const number = typeof id === "string" && /^\d{1,15}$/.test(id) ? Number(id) : id;
    const tensor = typeof number === "number" ? this.tensors.get(number) : undefined;
    if (tensor !== undefined) return tensor;
    const reference = new PicklePersistent(id);
    const storage = typeof number === "number" ? this.storages.get(number) : undefined;
    if (storage === undefined) this.refuse("the pickled object refers to a tensor that is not in the archive");
    this.references.set(reference, storage);
    return reference;
  }

  private place(name: string): { start: number; end: number } {
    const member = this.members.get(name) ?? this.refuse(`the tar archive has no member "${name}"; it was not written by torch.save`);
    return { start: member.start, end: member.start + member.bytes };
  }

  private stream(name: string): PickleStream {
    const { start, end } = this.place(name);
    return new PickleStream(this.context.source, start, end, MAX_PICKLE_BYTES);
  }

  private next(stream: PickleStream, name: string, persistent?: (id: PickleValue) => PickleValue): Promise<Unpickled> {
    const options = { file: this.context.file.path, what: `the member "${name}"`, ...(persistent === undefined ? {} : { persistent }) };
    return stream.next((bytes, base) => this.globals.read(bytes, { ...options, base }));
  }

  private async count(stream: PickleStream, name: string): Promise<number> {
    const { value } = await this.next(stream, name);
    return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= MAX_COUNT ? value : this.refuse(`the member "${name}" has no count of its entries, or one beyond ${grouped(MAX_COUNT)}`);
  }

  private async fields(stream: PickleStream, name: string, count: number): Promise<readonly PickleValue[]> {
    const { value } = await this.next(stream, name);
    return value instanceof PickleTuple && value.items.length >= count ? value.items : this.refuse(`the member "${name}" has an entry that is no tuple of ${count}`);
  }

  private refuse(message: string, offset?: number): never {
    throw new CheckpointError("malformed", message, this.context.file.path, offset === undefined ? {} : { offset });
  }
}
