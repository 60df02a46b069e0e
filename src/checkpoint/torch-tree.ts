/**
 * Walks what a pickle describes and names what is in it: keys and positions joined by dots. Tensors are listed, scalars
 * and text become metadata, and objects of classes that torch does not trust are shown by their class.
 */
import { CheckpointError } from "./checkpoint";
import { setOwn } from "./json-reader";
import { calleeOf, PickleBytes, PickleCall, PickleDict, PickleGlobal, PickleList, PicklePersistent, PickleSet, PickleTuple, type PickleValue } from "./pickle-values";
import { grouped, quote } from "./quote";
import { dtypeOf } from "./torch-dtypes";
import { isSafeGlobal } from "./torch-globals";
import type { TorchTensor } from "./torch-tensors";

/** Containers in containers: a module three hundred deep. */
const MAX_DEPTH = 1000;

/** Values looked at. Shared ones are met again under each of their names, which a hostile pickle multiplies. */
const MAX_VISITS = 10_000_000;
const MAX_TENSORS = 600_000;
const MAX_NAME_CHARACTERS = 1 << 27;

/** Scalars and strings shown; the others are counted. */
const MAX_METADATA = 50_000;

/** What stands in the metadata for an object that is not to be loaded. */
export interface Opaque {
  /** Its class, or the function that would make it; null when that is itself made by a call. */
  opaque: string | null;
}

export interface NamedTensor {
  name: string;
  tensor: TorchTensor;
}

export interface TorchTree {
  tensors: NamedTensor[];
  metadata: Record<string, unknown>;
  /** Scalars and strings that `metadata` has no room for. */
  metadataLeftOut: number;
  /** Names that came twice; the later ones are numbered. */
  repeated: string[];
}

export interface TreeOptions {
  file: string;
  /** The name of a tensor or object at the root. */
  rootName: string;
  /** The tensor that a call would rebuild, null when it is none. */
  tensorOf(call: PickleCall, name: string): TorchTensor | null;
  /** Whether calling it makes an object that is shown as what it is: a class that the archive itself defines. */
  isOwnClass?(name: string): boolean;
}

/** Inside of what a value is: the inside of opaque objects is looked through for tensors only. */
interface Inside {
  opaque: boolean;
  state: boolean;
}

const OUTSIDE: Inside = { opaque: false, state: false };

export class TorchTreeWalk {
  private readonly tree: TorchTree = { tensors: [], metadata: {}, metadataLeftOut: 0, repeated: [] };
  private readonly names = new Set<string>();
  private readonly open = new Set<PickleValue>();
  private visits = 0;
  private characters = 0;
  private metadataCount = 0;

  constructor(private readonly options: TreeOptions) {}

  /**
   * @param value a pickle's value.
   * @param path the name of its root; items of a root without one are named by their own keys.
   */
  walk(value: PickleValue, path: string | null = null): void {
    this.visit(value, path, OUTSIDE);
  }

  result(): TorchTree {
    return this.tree;
  }

  private visit(value: PickleValue, path: string | null, inside: Inside): void {
    if (++this.visits > MAX_VISITS) this.refuse(`its objects refer to each other so often that it would show more than ${grouped(MAX_VISITS)} values`);
    if (value === null || typeof value !== "object") return this.scalar(path, value, inside);
    if (value instanceof PickleBytes || value instanceof PickleSet || value instanceof PicklePersistent) return;
    if (value instanceof PickleGlobal) return this.global(value.name, path, inside);
    // An object inside itself is shown once.
    if (this.open.has(value)) return;
    if (this.open.size >= MAX_DEPTH) this.refuse(`its containers are nested deeper than ${grouped(MAX_DEPTH)} levels, at ${quote(path ?? "")}`);
    this.open.add(value);
    if (value instanceof PickleDict) this.dict(value, path, inside);
    else if (value instanceof PickleCall) this.call(value, path, inside);
    else this.items(value.items, path, inside);
    this.open.delete(value);
  }

  private dict({ keys, values }: PickleDict, path: string | null, inside: Inside): void {
    // Of a key that comes again the last value counts, at the first one's place.
    const last = new Map<string, PickleValue>();
    keys.forEach((key, i) => {
      const text = keyText(key);
      if (text !== null) last.set(`${typeof key} ${text}`, values[i]!);
      else this.visit(values[i]!, this.join(path, "?"), inside);
    });
    for (const [key, value] of last) this.visit(value, this.join(path, key.slice(key.indexOf(" ") + 1)), inside);
  }

  private items(items: readonly PickleValue[], path: string | null, inside: Inside): void {
    items.forEach((item, i) => this.visit(item, this.join(path, String(i)), inside));
  }

  private call(call: PickleCall, path: string | null, inside: Inside): void {
    const tensor = this.options.tensorOf(call, path ?? this.options.rootName);
    const callee = calleeOf(call);
    if (tensor !== null) {
      // `_rebuild_from_type` makes an object of its second argument's class from it.
      const type = callee?.startsWith("torch._tensor._rebuild_from_type") === true ? call.args[1] : undefined;
      if (type instanceof PickleGlobal && !isSafeGlobal(type.name) && !inside.opaque) this.entry(path ?? this.options.rootName, { opaque: type.name } satisfies Opaque);
      return this.tensor(path ?? this.options.rootName, tensor);
    }
    const [first] = call.args;
    if (callee === "collections.OrderedDict" || callee === "collections.Counter" || callee === "builtins.dict" || callee === "builtins.list") {
      // `OrderedDict([[key, value], …])`, `Counter({…})`.
      if (first instanceof PickleDict) this.dict(first, path, inside);
      else if (first instanceof PickleList || first instanceof PickleTuple) this.pairs(first.items, path, inside);
      return this.contents(call, path, inside);
    }
    if (callee === "torch.Size" && first instanceof PickleTuple) return this.items(first.items, path, inside);
    if (callee === "torch.device") return this.scalar(path, call.args.map(String).join(":"), inside);
    if (callee !== undefined && isSafeGlobal(callee)) return;
    if (callee !== undefined && this.options.isOwnClass?.(callee) === true) return this.object(call, path, inside);
    if (!inside.opaque) this.entry(path ?? this.options.rootName, { opaque: callee ?? null } satisfies Opaque);
    this.object(call, path, { ...inside, opaque: true });
  }

  /** The arguments, contents and state of an object. */
  private object(call: PickleCall, path: string | null, inside: Inside): void {
    const hidden = { opaque: inside.opaque, state: true };
    if (call.args.length > 0) this.items(call.args, this.join(path, "args"), hidden);
    this.contents(call, path, inside);
    const { state } = call;
    if (state === undefined || state === null) return;
    if (state instanceof PickleDict) this.visit(state, path, hidden);
    else if (state instanceof PickleTuple || state instanceof PickleList) {
      // Without a dict (`__slots__`): (dict or None, slots).
      this.items(state.items, this.join(path, "state"), hidden);
    } else this.visit(state, this.join(path, "state"), hidden);
  }

  private contents(call: PickleCall, path: string | null, inside: Inside): void {
    this.items(call.items, path, inside);
    if (call.entries !== undefined) this.dict(call.entries, path, inside);
  }

  private pairs(items: readonly PickleValue[], path: string | null, inside: Inside): void {
    const dict = new PickleDict();
    for (const item of items) {
      if ((!(item instanceof PickleTuple) && !(item instanceof PickleList)) || item.items.length !== 2) return this.items(items, path, inside);
      dict.setItems(item.items);
    }
    this.dict(dict, path, inside);
  }

  private global(name: string, path: string | null, inside: Inside): void {
    if (isSafeGlobal(name)) this.scalar(path, dtypeOf(name) === undefined ? name : `torch.${name.slice("torch.".length)}`, inside);
    else if (!inside.opaque && this.options.isOwnClass?.(name) !== true) this.entry(path ?? this.options.rootName, { opaque: name } satisfies Opaque);
  }

  private tensor(asked: string, tensor: TorchTensor): void {
    let name = asked;
    for (let copy = 2; this.names.has(name); copy++) name = `${asked} (${copy})`;
    if (name !== asked) this.tree.repeated.push(asked);
    this.names.add(name);
    if (this.tree.tensors.length === MAX_TENSORS) this.refuse(`it would show more than ${grouped(MAX_TENSORS)} tensors`);
    this.tree.tensors.push({ name, tensor });
    if (tensor.kind === "sparse") for (const component of tensor.components) this.tensor(this.join(name, component.name), component.tensor);
    else if (tensor.kind === "strided" && tensor.quantizer?.scales !== undefined) {
      this.tensor(this.join(name, "scales"), tensor.quantizer.scales);
      this.tensor(this.join(name, "zero_points"), tensor.quantizer.zeroPoints!);
    }
  }

  private scalar(path: string | null, value: null | boolean | number | bigint | string, inside: Inside): void {
    if (inside.state) return;
    this.entry(path ?? this.options.rootName, typeof value === "bigint" || (typeof value === "number" && !Number.isFinite(value)) ? String(value) : value);
  }

  private entry(name: string, value: unknown): void {
    if (this.metadataCount === MAX_METADATA) this.tree.metadataLeftOut++;
    else {
      this.metadataCount++;
      setOwn(this.tree.metadata, name, value);
    }
  }

  private join(path: string | null, key: string): string {
    const name = path === null ? key : `${path}.${key}`;
    this.characters += name.length;
    if (this.characters > MAX_NAME_CHARACTERS) this.refuse(`the names in it would have more than ${grouped(MAX_NAME_CHARACTERS)} characters together`);
    return name;
  }

  private refuse(message: string): never {
    throw new CheckpointError("malformed", message, this.options.file);
  }
}

/** A dict's key as Python prints it; null for one that has no short form. */
function keyText(key: PickleValue): string | null {
  if (key === null) return "None";
  if (typeof key === "boolean") return key ? "True" : "False";
  if (typeof key === "object") {
    if (key instanceof PickleTuple) {
      const parts = key.items.map((item) => (item instanceof PickleTuple ? null : keyText(item)));
      return parts.includes(null) ? null : `(${parts.join(", ")}${parts.length === 1 ? "," : ""})`;
    }
    return key instanceof PickleGlobal ? key.name : null;
  }
  return String(key);
}
