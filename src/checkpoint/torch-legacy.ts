/**
 * torch.save before 1.6, and with `_use_new_zipfile_serialization=False`: five pickles (magic number, protocol, system,
 * the object, keys of storages), then for each key a 64-bit count of elements and the elements, little endian.
 */
import { CheckpointError } from "./checkpoint";
import { PickleStream } from "./pickle-stream";
import { PickleList, PicklePersistent, PickleTuple, type PickleValue } from "./pickle-values";
import type { Unpickled } from "./pickle";
import { grouped, quote } from "./quote";
import { MAX_PICKLE_BYTES, storageId, torchFile, TorchGlobals, type TorchFile, type TorchSource } from "./torch-container";
import { isSafeGlobal } from "./torch-globals";
import type { StorageRecord, TorchStorage } from "./torch-storage";
import { TorchTensors } from "./torch-tensors";
import { TorchTreeWalk } from "./torch-tree";
import { WindowedReader } from "./windowed";

const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL = 1001;

/** A storage as the object's pickle speaks of it, before it is known where it lies. */
interface Mentioned {
  record: StorageRecord;
  itemBytes: number;
}

/**
 * Reads the pickles, and the count before each storage.
 * @param rootName names a tensor or object that is the whole file.
 */
export async function readTorchLegacy(context: TorchSource, rootName: string): Promise<TorchFile> {
  const { source, file } = context;
  const stream = new PickleStream(source, 0, file.bytes, MAX_PICKLE_BYTES);
  const globals = new TorchGlobals();
  const next = (what: string): Promise<Unpickled> => stream.next((bytes, base) => globals.read(bytes, { file: file.path, what, base }));

  await checkMagic(next, file.path, globals);
  const protocol = (await next("the legacy header")).value;
  if (protocol !== PROTOCOL) throw new CheckpointError("unsupported", `torch's legacy format has the version ${shown(protocol)}; only ${PROTOCOL} is known`, file.path);
  await next("the legacy header");

  let storages = new LegacyStorages(file.path);
  const root = await stream.next((bytes, base) => {
    // Read from the start again when the first bytes were too few.
    storages = new LegacyStorages(file.path);
    return globals.read(bytes, { file: file.path, what: "the pickled object", base, persistent: (id) => storages.persistent(id) });
  });
  const keys = await next("the list of storages");
  await storages.locate(keys.value, stream.position, context);

  const tensors = new TorchTensors(file.path, (reference) => storages.of(reference));
  const walk = new TorchTreeWalk({ file: file.path, rootName, tensorOf: (call, name) => tensors.of(call, name) });
  walk.walk(root.value);
  return torchFile(walk.result(), globals.used, context);
}

async function checkMagic(next: (what: string) => Promise<Unpickled>, path: string, globals: TorchGlobals): Promise<void> {
  const neither = "this is no file of PyTorch's: it starts with neither a zip archive, nor a tar archive, nor the magic number of torch's legacy format";
  let first: Unpickled;
  try {
    first = await next("the file");
  } catch (error) {
    if (!(error instanceof CheckpointError) || error.code === "io") throw error;
    throw new CheckpointError("malformed", neither, path, { offset: 0 });
  }
  if (first.value === MAGIC) return;
  const called = [...globals.used].find(([name, use]) => use === "called" && !isSafeGlobal(name))?.[0];
  const pickle = `it is a plain pickle${called === undefined ? "" : `, which would run ${quote(called)} when loaded`}`;
  throw new CheckpointError("malformed", `${neither}; ${pickle}`, path, { offset: 0 });
}

class LegacyStorages {
  private readonly byKey = new Map<string, Mentioned>();
  private readonly references = new Map<PicklePersistent, TorchStorage>();

  constructor(private readonly file: string) {}

  of(reference: PickleValue): TorchStorage | undefined {
    return reference instanceof PicklePersistent ? this.references.get(reference) : undefined;
  }

  /** `("storage", …, view)`, or `("module", class, source file, source)`, which stands for the class. */
  persistent(id: PickleValue): PickleValue {
    if (id instanceof PickleTuple && id.items[0] === "module" && id.items[1] !== undefined) return id.items[1];
    const reference = new PicklePersistent(id);
    const said = storageId(id, this.file);
    if (said === null) return reference;
    const { key, dtype, bytes, rest } = said;
    let mentioned = this.byKey.get(key);
    if (mentioned === undefined) {
      mentioned = { record: { name: key, fileOffset: 0, bytes, bigEndian: false }, itemBytes: dtype?.bytes ?? 1 };
      this.byKey.set(key, mentioned);
    } else if (mentioned.record.bytes !== bytes || mentioned.itemBytes !== (dtype?.bytes ?? 1)) {
      this.refuse(`the storage ${quote(key)} is said to have two sizes`, key);
    }
    const storage = { record: mentioned.record, dtype, ...this.view(rest[0], key, bytes, mentioned.itemBytes) };
    this.references.set(reference, storage);
    return reference;
  }

  /** Part of a storage: (key, offset, count), in elements. */
  private view(view: PickleValue | undefined, key: string, bytes: number, itemBytes: number): { offset: number; bytes: number } {
    if (view === undefined || view === null) return { offset: 0, bytes };
    const [, offset, count] = view instanceof PickleTuple ? view.items : [];
    if (typeof offset !== "number" || typeof count !== "number" || !(offset >= 0) || !(count >= 0) || !((offset + count) * itemBytes <= bytes)) {
      this.refuse(`a view of the storage ${quote(key)} lies outside it`, key);
    }
    return { offset: offset * itemBytes, bytes: count * itemBytes };
  }

  /** Finds the storages, which lie one after the other from `start`. */
  async locate(keys: PickleValue, start: number, { source, file }: TorchSource): Promise<void> {
    if (!(keys instanceof PickleList)) this.refuse("the list of storages is no list");
    const reader = new WindowedReader(source, file.bytes);
    const met = new Set<string>();
    let at = start;
    for (const key of keys.items) {
      const mentioned = typeof key === "string" ? this.byKey.get(key) : undefined;
      if (typeof key !== "string" || mentioned === undefined) return this.refuse(`the list of storages names ${shown(key)}, which no tensor has`);
      if (met.size === met.add(key).size) this.refuse(`the list of storages names ${quote(key)} twice`, key);
      const { record, itemBytes } = mentioned;
      const end = at + 8 + record.bytes;
      if (end > file.bytes) {
        throw new CheckpointError("truncated", `the file is incomplete: the storage ${quote(key)} would end at byte ${grouped(end)} but the file has ${grouped(file.bytes)}`, this.file, { offset: file.bytes, key });
      }
      const count = Buffer.from(await reader.at(at, 8)).readBigInt64LE();
      if (count * BigInt(itemBytes) !== BigInt(record.bytes)) this.refuse(`the storage ${quote(key)} has ${grouped(count)} elements at byte ${grouped(at)}, but its tensors say ${grouped(record.bytes / itemBytes)}`, key);
      record.fileOffset = at + 8;
      at = end;
    }
    const missing = [...this.byKey.keys()].find((key) => !met.has(key));
    if (missing !== undefined) this.refuse(`the storage ${quote(missing)} is not in the list of storages`, missing);
    if (at < file.bytes) this.refuse(`${grouped(file.bytes - at)} bytes after the last storage, from byte ${grouped(at)}, belong to nothing`);
  }

  private refuse(message: string, key?: string): never {
    throw new CheckpointError("malformed", message, this.file, key === undefined ? {} : { key });
  }
}

function shown(value: PickleValue): string {
  return typeof value === "string" ? quote(value) : typeof value === "object" ? "no number" : String(value);
}
