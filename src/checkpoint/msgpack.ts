/** Flax and Orbax checkpoints in msgpack: nested maps of arrays, read in place. */
import { CheckpointError, type ByteSource, type Checkpoint, type CheckpointFile, type CheckpointFormat, type SourceOpener, type Tensor } from "./checkpoint";
import { setOwn } from "./json-reader";
import { readMsgpack, type MsgpackNode, type StoredArray } from "./msgpack-values";
import { checkpointOf, fileOf, stemOf, withSource } from "./one-file";
import { grouped, quote } from "./quote";
import { spoolFile, versionKey } from "./spool";
import { elementBits, elementCount, tensorAt } from "./tensor-at";

/** NumPy's and ml_dtypes' names. */
const DTYPES: ReadonlyMap<string, string> = new Map([
  ["bool", "BOOL"], ["int8", "I8"], ["int16", "I16"], ["int32", "I32"], ["int64", "I64"], ["uint8", "U8"], ["uint16", "U16"], ["uint32", "U32"], ["uint64", "U64"],
  ["float16", "F16"], ["bfloat16", "BF16"], ["float32", "F32"], ["float64", "F64"], ["complex64", "C64"], ["complex128", "C128"],
  ["float8_e4m3fn", "F8_E4M3"], ["float8_e5m2", "F8_E5M2"], ["float8_e4m3fnuz", "F8_E4M3FNUZ"], ["float8_e5m2fnuz", "F8_E5M2FNUZ"], ["float8_e8m0fnu", "F8_E8M0"],
]);

/** Flax splits arrays above 2^30 bytes into flat chunks, in maps with this key. */
const CHUNKED = "__msgpack_chunked_array__";
const MAX_METADATA = 10_000;
const COPY_STEP = 1 << 20;

export const msgpack: CheckpointFormat = {
  id: "msgpack",
  matches: (path) => /\.msgpack$/i.test(path),
  open: (path: string, sources: SourceOpener): Promise<Checkpoint> =>
    withSource(path, sources, async (source) => {
      const file = await fileOf(source);
      const root = await readMsgpack(source);
      if (root.kind === "value") throw new CheckpointError("malformed", "the file holds a single value, not arrays by name", path, { offset: 0 });
      const content = new Flattener(source, file);
      content.add("", root);
      return checkpointOf(path, sources, { format: "msgpack", files: [file], tensors: content.tensors, metadata: content.metadata });
    }),
};

/** Names are keys joined by dots, of list items their numbers. */
class Flattener {
  readonly tensors: Tensor[] = [];
  readonly metadata: Record<string, unknown> = {};
  private noted = 0;

  constructor(private readonly source: ByteSource, private readonly file: CheckpointFile) {}

  add(name: string, node: MsgpackNode): void {
    switch (node.kind) {
      case "value":
        if (this.noted++ < MAX_METADATA) setOwn(this.metadata, name, node.value);
        return;
      case "array":
        this.tensors.push(this.tensor(name === "" ? stemOf(this.source.path) : name, node.array));
        return;
      case "list":
        node.items.forEach((item, i) => this.add(join(name, String(i)), item));
        return;
      case "map": {
        const entries = new Map(node.entries);
        const marked = entries.get(CHUNKED);
        if (marked?.kind === "value" && marked.value === true) this.tensors.push(this.chunked(name === "" ? stemOf(this.source.path) : name, entries));
        else for (const [key, entry] of node.entries) this.add(join(name, key), entry);
      }
    }
  }

  private tensor(name: string, array: StoredArray): Tensor {
    const { dtype, parameters } = this.checked(name, array.type, array.shape, array.bytes, array.at);
    const { shape, bytes, offset } = array;
    return tensorAt({ name, dtype, shape, parameters, bytes, file: 0, path: this.source.path, offset });
  }

  /** {"shape": {"0": …}, "chunks": {"0": …}}: the chunks one after the other are the array. */
  private chunked(name: string, entries: ReadonlyMap<string, MsgpackNode>): Tensor {
    const wrong = (what: string): never => this.fail(`the chunked array ${quote(name)} ${what}`, name);
    const shape = numbered(entries.get("shape")).map((node) => {
      const length = node.kind === "value" ? node.value : undefined;
      return Number.isSafeInteger(length) && (length as number) >= 0 ? (length as number) : wrong("has a shape with an entry that is no non-negative integer");
    });
    const chunks = numbered(entries.get("chunks")).map((node) => (node.kind === "array" ? node.array : wrong("has a chunk that is no array")));
    const first = chunks[0] ?? wrong("has no chunks");
    if (chunks.some(({ type }) => type !== first.type)) wrong("has chunks of different types");
    const bytes = chunks.reduce((total, chunk) => total + chunk.bytes, 0);
    const { dtype, parameters } = this.checked(name, first.type, shape, bytes, first.at);
    const whole = { name, dtype, shape, parameters, bytes, file: 0 };
    const inOne = tensorAt({ ...whole, path: this.source.path, offset: first.offset });
    if (chunks.length === 1 || inOne.unreadable !== undefined) return inOne;
    return {
      ...whole,
      offset: null,
      expression: null,
      load: async (signal) => {
        const path = await spoolFile(`${versionKey(this.file)} ${first.offset}`, async (to, shared) => {
          for (const chunk of chunks) {
            for (let at = 0; at < chunk.bytes; at += COPY_STEP) {
              shared.throwIfAborted();
              await to.writeFile(await this.source.read(chunk.offset + at, Math.min(COPY_STEP, chunk.bytes - at)));
            }
          }
        }, signal);
        return tensorAt({ ...whole, path, offset: 0 }).expression!;
      },
    };
  }

  private checked(name: string, type: string, shape: readonly number[], bytes: number, at: number): { dtype: string; parameters: number } {
    const parameters = elementCount(shape);
    if (parameters === undefined) return this.fail(`the number of elements of ${quote(name)} at byte ${grouped(at)} overflows`, name, at);
    const dtype = DTYPES.get(type) ?? type;
    const bits = elementBits(dtype);
    if (DTYPES.has(type) && parameters * (bits! / 8) !== bytes) {
      this.fail(`${quote(name)} at byte ${grouped(at)} has ${grouped(bytes)} bytes, but ${grouped(parameters)} elements of ${dtype} need ${grouped(parameters * (bits! / 8))}`, name, at);
    }
    return { dtype, parameters };
  }

  private fail(message: string, tensor: string, offset?: number): never {
    throw new CheckpointError("malformed", message, this.source.path, { tensor, ...(offset === undefined ? {} : { offset }) });
  }
}

function join(name: string, key: string): string {
  return name === "" ? key : `${name}.${key}`;
}

/** The values of a map with the keys "0", "1" …, in their order; those of a list. Empty for anything else. */
function numbered(node: MsgpackNode | undefined): MsgpackNode[] {
  if (node?.kind === "list") return node.items;
  if (node?.kind !== "map") return [];
  const entries = new Map(node.entries);
  const items: MsgpackNode[] = [];
  for (let i = 0; i < entries.size; i++) {
    const item = entries.get(String(i));
    if (item === undefined) return [];
    items.push(item);
  }
  return items;
}
