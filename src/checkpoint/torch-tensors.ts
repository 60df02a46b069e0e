/** From the calls that would rebuild tensors to what those tensors are. Nothing is called. */
import { CheckpointError } from "./checkpoint";
import { calleeOf, PickleCall, PickleGlobal, PickleTuple, type PickleValue } from "./pickle-values";
import { grouped, quote } from "./quote";
import { elementCount } from "./tensor-at";
import { dtypeOf, isTensorClass, type TorchDtype } from "./torch-dtypes";
import type { TorchStorage } from "./torch-storage";

/** Elements of a storage, picked by strides. */
export interface StridedTensor {
  kind: "strided";
  storage: TorchStorage;
  dtype: TorchDtype;
  /** In elements from the storage's start. */
  offset: number;
  shape: number[];
  strides: number[];
  conjugated: boolean;
  negated: boolean;
  quantizer?: Quantizer;
}

export interface Quantizer {
  scheme: string;
  /** Per tensor. */
  scale?: number;
  zeroPoint?: number;
  /** Per channel. */
  axis?: number;
  scales?: TorchTensor;
  zeroPoints?: TorchTensor;
}

/** Without values of its own: on the meta device, or in a wrapper that computes them. */
export interface DatalessTensor {
  kind: "dataless";
  dtype: TorchDtype;
  shape: number[];
  reason: string;
}

export interface SparseTensor {
  kind: "sparse";
  layout: string;
  dtype: TorchDtype;
  shape: number[];
  components: { name: string; tensor: TorchTensor }[];
}

export type TorchTensor = StridedTensor | DatalessTensor | SparseTensor;

/** Rebuilds tensors that wrap tensors: no deeper than any that torch makes. */
const MAX_DEPTH = 16;

const MAX_AXES = 64;

const LAYOUTS: ReadonlyMap<string, readonly string[]> = new Map([
  ["torch.sparse_coo", ["indices", "values"]],
  ["torch.sparse_csr", ["crow_indices", "col_indices", "values"]],
  ["torch.sparse_csc", ["ccol_indices", "row_indices", "values"]],
  ["torch.sparse_bsr", ["crow_indices", "col_indices", "values"]],
  ["torch.sparse_bsc", ["ccol_indices", "row_indices", "values"]],
]);

export class TorchTensors {
  /** Tied tensors are one call met again. */
  private readonly known = new Map<PickleCall, TorchTensor | null>();
  private readonly shapes = new Map<string, number[]>();

  /**
   * @param file for messages.
   * @param storageOf the storage that a value in the pickle stands for.
   */
  constructor(private readonly file: string, private readonly storageOf: (value: PickleValue) => TorchStorage | undefined) {}

  /**
   * The tensor that `call` would rebuild; null when it is none.
   * @param name where it stands, for messages.
   * @throws CheckpointError when its arguments cannot be a tensor's.
   */
  of(call: PickleCall, name: string, depth = 0): TorchTensor | null {
    const known = this.known.get(call);
    if (known !== undefined) return known;
    if (depth > MAX_DEPTH) this.refuse(`the tensor ${quote(name)} wraps tensors in each other more than ${MAX_DEPTH} deep`, name);
    const tensor = this.rebuilt(call, name, depth);
    this.known.set(call, tensor);
    return tensor;
  }

  private rebuilt(call: PickleCall, name: string, depth: number): TorchTensor | null {
    const callee = calleeOf(call);
    const { args } = call;
    switch (callee) {
      case "torch._utils._rebuild_tensor":
      case "torch._utils._rebuild_tensor_v2":
        return this.strided(args, name, null, args[6]);
      case "torch._utils._rebuild_tensor_v3":
        return this.strided(args, name, this.dtype(args[6], name), args[7]);
      case "torch._utils._rebuild_qtensor":
        return { ...this.strided(args, name, null, undefined), quantizer: this.quantizer(args[4], name, depth) };
      case "torch._utils._rebuild_parameter":
      case "torch._utils._rebuild_parameter_with_state":
      case "torch._utils._rebuild_device_tensor_from_cpu_tensor":
        return this.inner(args[0], name, depth) ?? this.refuse(`${quote(name)} is a parameter without a tensor`, name);
      case "torch.nn.parameter.Parameter":
        return this.inner(args[0], name, depth) ?? this.inner(stateItem(call, 0), name, depth);
      case "torch._tensor._rebuild_from_type":
      case "torch._tensor._rebuild_from_type_v2":
        return args[0] instanceof PickleGlobal && args[2] instanceof PickleTuple ? this.of(new PickleCall(args[0], args[2].items), name, depth + 1) : null;
      case "torch._utils._rebuild_meta_tensor_no_storage":
        return { kind: "dataless", dtype: this.dtype(args[0], name), shape: this.lengths(args[1], name), reason: "it is a meta tensor, which has shape and dtype but no values" };
      case "torch._utils._rebuild_wrapper_subclass":
        return { kind: "dataless", dtype: this.dtype(args[1], name), shape: this.lengths(args[2], name), reason: "it is a wrapper subclass, which keeps its values in other tensors" };
      case "torch._utils._rebuild_sparse_tensor":
        return this.sparse(args, name, depth);
      default:
        return callee !== undefined && isTensorClass(callee) && call.state instanceof PickleTuple && this.storageOf(call.state.items[0] ?? null) !== undefined
          ? this.strided(call.state.items, name, null, undefined)
          : null;
    }
  }

  private inner(value: PickleValue | undefined, name: string, depth: number): TorchTensor | null {
    return value instanceof PickleCall ? this.of(value, name, depth + 1) : null;
  }

  private strided(args: readonly PickleValue[], name: string, dtype: TorchDtype | null, extra: PickleValue | undefined): StridedTensor {
    const storage = this.storageOf(args[0] ?? null) ?? this.refuse(`the tensor ${quote(name)} has no storage`, name);
    const shape = this.lengths(args[2], name);
    const strides = this.lengths(args[3], name, "strides");
    const offset = args[1];
    if (typeof offset !== "number" || !Number.isSafeInteger(offset) || offset < 0) this.refuse(`the tensor ${quote(name)} starts at no place in its storage`, name);
    if (strides.length !== shape.length) this.refuse(`the tensor ${quote(name)} has ${shape.length} axes but ${strides.length} strides`, name);
    const type = dtype ?? storage.dtype ?? this.refuse(`the tensor ${quote(name)} lies in a storage of bytes and says no dtype`, name);
    const elements = Math.floor(storage.bytes / type.bytes) * (type.packed ?? 1);
    if (!shape.includes(0)) {
      const end = shape.reduce((sum, length, axis) => sum + (length - 1) * strides[axis]!, offset + 1);
      if (end > elements) {
        this.refuse(`the tensor ${quote(name)} reaches to element ${grouped(end)} of the storage ${quote(storage.record.name)}, which has ${grouped(elements)}`, name);
      }
    }
    const bits = extra === undefined ? [] : bitNames(extra);
    return { kind: "strided", storage, dtype: type, offset, shape, strides, conjugated: bits.includes("conj"), negated: bits.includes("neg") };
  }

  private sparse(args: readonly PickleValue[], name: string, depth: number): SparseTensor {
    const [layoutValue, data] = args;
    const layout = layoutName(layoutValue);
    const components = LAYOUTS.get(layout) ?? this.refuse(`the tensor ${quote(name)} has the unknown layout ${quote(layout)}`, name);
    if (!(data instanceof PickleTuple) || data.items.length <= components.length) this.refuse(`the sparse tensor ${quote(name)} has no components`, name);
    const tensors = components.map((component, i) => ({
      name: component,
      tensor: this.inner(data.items[i], `${name}.${component}`, depth) ?? this.refuse(`${component} of the sparse tensor ${quote(name)} is no tensor`, name),
    }));
    return { kind: "sparse", layout: layout.slice("torch.".length), dtype: tensors[tensors.length - 1]!.tensor.dtype, shape: this.lengths(data.items[components.length], name), components: tensors };
  }

  private quantizer(value: PickleValue | undefined, name: string, depth: number): Quantizer {
    const [scheme, first, second, axis] = value instanceof PickleTuple ? value.items : [];
    if (!(scheme instanceof PickleGlobal)) this.refuse(`the quantised tensor ${quote(name)} has no scheme`, name);
    const result: Quantizer = { scheme: scheme.name.replace(/^torch\./, "") };
    if (typeof first === "number" && typeof second === "number") return { ...result, scale: first, zeroPoint: second };
    const scales = this.inner(first, `${name}.scales`, depth);
    const zeroPoints = this.inner(second, `${name}.zero_points`, depth);
    if (scales === null || zeroPoints === null || typeof axis !== "number") this.refuse(`the quantised tensor ${quote(name)} has no scale`, name);
    return { ...result, scales, zeroPoints, axis };
  }

  private dtype(value: PickleValue | undefined, name: string): TorchDtype {
    const known = value instanceof PickleGlobal ? dtypeOf(value.name) : undefined;
    return known ?? this.refuse(`the tensor ${quote(name)} has ${value instanceof PickleGlobal ? `the unknown dtype ${quote(value.name)}` : "no dtype"}`, name);
  }

  /** A shape, or strides; equal ones are one array. */
  private lengths(value: PickleValue | undefined, name: string, what: "shape" | "strides" = "shape"): number[] {
    const items = value instanceof PickleTuple ? value.items : value instanceof PickleCall && calleeOf(value) === "torch.Size" && value.args[0] instanceof PickleTuple ? value.args[0].items : null;
    if (items === null) this.refuse(`the tensor ${quote(name)} has no ${what}`, name);
    if (items.length > MAX_AXES) this.refuse(`the tensor ${quote(name)} has ${grouped(items.length)} axes, more than ${MAX_AXES}`, name);
    const key = `${what} ${items.map(String).join()}`;
    const known = this.shapes.get(key);
    if (known !== undefined) return known;
    const lengths = items.map((item) => {
      if (typeof item !== "number" || !Number.isSafeInteger(item) || item < 0) this.refuse(`the ${what} of the tensor ${quote(name)} has ${typeof item === "number" || typeof item === "bigint" ? String(item) : "something that is no number"} on one axis`, name);
      return item;
    });
    if (what === "shape" && elementCount(lengths) === undefined) this.refuse(`the tensor ${quote(name)} has more elements than can be counted`, name);
    this.shapes.set(key, lengths);
    return lengths;
  }

  private refuse(message: string, tensor: string): never {
    throw new CheckpointError("malformed", message, this.file, { tensor });
  }
}

/** Keys of the dict of bits that are set; `_rebuild_tensor_v2`'s seventh argument. */
function bitNames(value: PickleValue): string[] {
  if (typeof value !== "object" || value === null || !("keys" in value)) return [];
  return value.keys.flatMap((key, i) => (typeof key === "string" && value.values[i] === true ? [key] : []));
}

function layoutName(value: PickleValue | undefined): string {
  const name = value instanceof PickleCall && calleeOf(value) === "torch.serialization._get_layout" ? value.args[0] : value instanceof PickleGlobal ? value.name : value;
  return typeof name === "string" ? name : "";
}

function stateItem(call: PickleCall, index: number): PickleValue | undefined {
  return call.state instanceof PickleTuple ? call.state.items[index] : undefined;
}
