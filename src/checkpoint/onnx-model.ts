/**
 * The initializers of an ONNX model as its protobuf message describes them. Field numbers: `onnx.proto` (ONNX 1.20, Apache-2.0).
 */
import { CheckpointError, type ByteSource } from "./checkpoint";
import { setOwn } from "./json-reader";
import { LENGTH, MessageReader, type Field } from "./protobuf-fields";
import { grouped, quote } from "./quote";
import { WindowedReader } from "./windowed";

/** `ModelProto`, `GraphProto`, `TensorProto`, `SparseTensorProto`: the numbers of the fields that are read. */
const MODEL = { irVersion: 1, producerName: 2, producerVersion: 3, domain: 4, modelVersion: 5, graph: 7, opset: 8, metadata: 14 };
const GRAPH = { name: 2, initializer: 5, sparse: 15 };
const TENSOR = { dims: 1, type: 2, floats: 4, ints: 5, strings: 6, longs: 7, name: 8, raw: 9, doubles: 10, unsigneds: 11, external: 13, location: 14 };
const SPARSE = { values: 1, dims: 3 };

const MAX_AXES = 64;
const MAX_TEXT_BYTES = 1 << 20;
const MAX_FIELDS = 4_000_000;
const MAX_TENSORS = 500_000;

/** The fields that hold elements one by one. */
export const TYPED_FIELDS: ReadonlyMap<number, "float" | "double" | "varint"> = new Map([
  [TENSOR.floats, "float"], [TENSOR.doubles, "double"], [TENSOR.ints, "varint"], [TENSOR.longs, "varint"], [TENSOR.unsigneds, "varint"],
] as const);

export interface TensorRecord {
  name: string;
  /** `TensorProto.DataType`. */
  type: number;
  shape: number[];
  /** The message, half-open. */
  start: number;
  end: number;
  raw: { start: number; end: number } | null;
  /** Runs of elements in typed fields; more than the first two are not kept. */
  typed: { field: number; packed: boolean; start: number; end: number }[];
  external: ReadonlyMap<string, string> | null;
  sparse?: true;
}

export interface OnnxModel {
  tensors: TensorRecord[];
  metadata: Record<string, unknown>;
}

/**
 * Reads around the weights.
 * @throws CheckpointError that names the byte.
 */
export async function readModel(source: ByteSource): Promise<OnnxModel> {
  const size = await source.size();
  return new ModelReader(messagesOf(source, size), source.path).read(size);
}

/** A reader of messages in `source`. */
export function messagesOf(source: ByteSource, size: number): MessageReader {
  return new MessageReader(new WindowedReader(source, size), source.path, { left: MAX_FIELDS });
}

class ModelReader {
  private readonly tensors: TensorRecord[] = [];
  private readonly metadata: Record<string, unknown> = {};
  private readonly opset: Record<string, unknown> = {};

  constructor(private readonly messages: MessageReader, private readonly file: string) {}

  async read(size: number): Promise<OnnxModel> {
    let graphs = 0;
    const { messages, metadata } = this;
    await messages.fields(0, size, async (field) => {
      switch (field.number) {
        case MODEL.irVersion: setOwn(metadata, "ir_version", signed(field.value)); break;
        case MODEL.modelVersion: setOwn(metadata, "model_version", signed(field.value)); break;
        case MODEL.producerName: return this.note("producer_name", field);
        case MODEL.producerVersion: return this.note("producer_version", field);
        case MODEL.domain: return this.note("domain", field);
        case MODEL.opset: return this.operators(field);
        case MODEL.metadata: {
          const [key, value] = await this.pair(field);
          setOwn(metadata, `metadata_props.${key}`, value);
          break;
        }
        case MODEL.graph:
          graphs++;
          return this.graph(field);
      }
    });
    if (graphs === 0) throw new CheckpointError("malformed", "the file has no graph; it is no ONNX model", this.file, { offset: 0 });
    if (Object.keys(this.opset).length > 0) setOwn(metadata, "opset", this.opset);
    return { tensors: this.tensors, metadata };
  }

  private async graph(graph: Field): Promise<void> {
    await this.inside(graph, async (field) => {
      if (field.number === GRAPH.name) await this.note("graph.name", field);
      else if (field.number === GRAPH.initializer) this.add(await this.tensor(field));
      else if (field.number === GRAPH.sparse) this.add(await this.sparse(field));
    });
  }

  private add(tensor: TensorRecord): void {
    if (this.tensors.length === MAX_TENSORS) this.messages.fail(`the graph has more than ${grouped(MAX_TENSORS)} initializers`, tensor.start);
    this.tensors.push(tensor);
  }

  private async tensor(message: Field): Promise<TensorRecord> {
    const record: TensorRecord = { name: "", type: 0, shape: [], start: message.start, end: message.end, raw: null, typed: [], external: null };
    let external: Map<string, string> | undefined;
    let isExternal = false;
    await this.inside(message, async (field) => {
      const { number, wire, start, end } = field;
      if (number === TENSOR.dims) await this.dims(field, record);
      else if (number === TENSOR.type) record.type = Number(field.value);
      else if (number === TENSOR.name) record.name = await this.messages.text(this.delimited(field), MAX_TEXT_BYTES);
      else if (number === TENSOR.raw) record.raw = { start: this.delimited(field).start, end };
      else if (number === TENSOR.location) isExternal = field.value === 1n;
      else if (number === TENSOR.external) {
        const [key, value] = await this.pair(field);
        (external ??= new Map()).set(key, value);
      } else if (TYPED_FIELDS.has(number) && record.typed.length < 2) record.typed.push({ field: number, packed: wire === LENGTH, start, end });
    });
    if (isExternal) record.external = external ?? new Map();
    return record;
  }

  private async sparse(message: Field): Promise<TensorRecord> {
    let values: TensorRecord | undefined;
    const whole = { name: "", shape: [] as number[] };
    await this.inside(message, async (field) => {
      if (field.number === SPARSE.values) values = await this.tensor(this.delimited(field));
      else if (field.number === SPARSE.dims) await this.dims(field, whole);
    });
    return { ...(values ?? this.messages.fail(`the sparse initializer at byte ${grouped(message.start)} has no values`, message.start)), shape: whole.shape, sparse: true };
  }

  private async dims(field: Field, record: { name: string; shape: number[] }): Promise<void> {
    for (const length of await this.messages.packed(field, 10 * MAX_AXES)) {
      if (length > BigInt(Number.MAX_SAFE_INTEGER)) this.messages.fail(`the shape at byte ${grouped(field.start)} has ${signed(length)} for a length`, field.start);
      if (record.shape.push(Number(length)) > MAX_AXES) this.messages.fail(`the initializer ${quote(record.name)} has more than ${MAX_AXES} axes, at byte ${grouped(field.start)}`, field.start);
    }
  }

  /** `StringStringEntryProto`. */
  private async pair(message: Field): Promise<[string, string]> {
    let key = "";
    let value = "";
    await this.inside(message, async (field) => {
      if (field.number === 1) key = await this.messages.text(this.delimited(field), MAX_TEXT_BYTES);
      else if (field.number === 2) value = await this.messages.text(this.delimited(field), MAX_TEXT_BYTES);
    });
    return [key, value];
  }

  /** `OperatorSetIdProto`; the standard's own domain has an empty name. */
  private async operators(message: Field): Promise<void> {
    let domain = "";
    let version = 0n;
    await this.inside(message, async (field) => {
      if (field.number === 1) domain = await this.messages.text(this.delimited(field), MAX_TEXT_BYTES);
      else if (field.number === 2) version = field.value;
    });
    setOwn(this.opset, domain === "" ? "ai.onnx" : domain, signed(version));
  }

  private async note(key: string, field: Field): Promise<void> {
    setOwn(this.metadata, key, await this.messages.text(this.delimited(field), MAX_TEXT_BYTES));
  }

  private inside(message: Field, take: (field: Field) => Promise<void> | void): Promise<void> {
    const { start, end } = this.delimited(message);
    return this.messages.fields(start, end, take);
  }

  private delimited(field: Field): Field {
    if (field.wire !== LENGTH) this.messages.fail(`the field ${field.number} at byte ${grouped(field.start)} has wire type ${field.wire}, not 2`, field.start);
    return field;
  }
}

/** An int64 as it was written; a decimal string beyond 2^53. */
export function signed(value: bigint): number | string {
  const integer = BigInt.asIntN(64, value);
  return integer >= BigInt(Number.MIN_SAFE_INTEGER) && integer <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(integer) : String(integer);
}
