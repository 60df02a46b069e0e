/**
 * The tensor tree as shown: modules with repeated layers folded into one row, and chains of single children written as
 * one path. Children are made when first asked for, so a tree of half a million tensors costs what is looked at.
 */
import { collectBelow, countKept, keepsOwn, type Module, type Modules } from "./modules";

/**
 * `module`: one module, or the same module of every folded layer. `layers`: repeated layers as one row. `each`: those
 * layers one by one. `folded`: the same tensor of every folded layer. `tensor`: one tensor.
 */
export type NodeKind = "module" | "layers" | "each" | "folded" | "tensor";

export class TreeNode {
  readonly kind: NodeKind;
  /** What the row says: the last segment, a compacted path (`a.b.c`) or `layers 0…31`. Hostile text. */
  readonly label: string;
  /** Segments joined by the separator, `*` standing for folded layer numbers; for a tensor, its name. */
  readonly path: string;
  /** Unique in the tree and stable over reloads. */
  readonly id: string;
  readonly parent: TreeNode | null;
  /** The raw modules that this row stands for: one per folded layer. */
  readonly members: readonly Module[];
  /** For `tensor`: its index; else −1. */
  readonly tensor: number;
  /** Depth in the raw tree of the outermost folded number; −1 when nothing is folded here. */
  readonly foldDepth: number;
  readonly #tree: Tree;
  #children: TreeNode[] | undefined;
  #tensors: number[] | undefined;
  #layers: { layer: number; tensors: number[] }[] | undefined;

  constructor(tree: Tree, fields: Pick<TreeNode, "kind" | "label" | "path" | "id" | "parent" | "members" | "tensor" | "foldDepth">) {
    this.#tree = tree;
    this.kind = fields.kind;
    this.label = fields.label;
    this.path = fields.path;
    this.id = fields.id;
    this.parent = fields.parent;
    this.members = fields.members;
    this.tensor = fields.tensor;
    this.foldDepth = fields.foldDepth;
  }

  get expandable(): boolean {
    return this.kind !== "tensor";
  }

  /** In model order: file order, layer numbers ascending, `each` last. */
  get children(): readonly TreeNode[] {
    return (this.#children ??= this.kind === "tensor" ? [] : this.#tree.childrenOf(this));
  }

  /** Kept tensors at and below this row. A tensor whose name is also a module's has a row of its own beside the module's. */
  get tensors(): readonly number[] {
    if (this.#tensors === undefined) {
      if (this.tensor >= 0) this.#tensors = [this.tensor];
      else if (this.kind === "folded") this.#tensors = this.members.map((module) => module.tensor);
      else {
        this.#tensors = [];
        for (const module of this.members) collectBelow(module, this.#tree.kept, this.#tensors);
      }
    }
    return this.#tensors;
  }

  /** The tensors of a folded row by the number of the outermost folded layer, ascending; empty when nothing is folded. */
  get layers(): readonly { layer: number; tensors: number[] }[] {
    if (this.#layers === undefined) {
      const byLayer = new Map<number, number[]>();
      if (this.foldDepth >= 0) {
        for (const module of this.members) {
          let at = module;
          while (at.depth > this.foldDepth) at = at.parent!;
          let tensors = byLayer.get(at.number);
          if (tensors === undefined) byLayer.set(at.number, (tensors = []));
          if (this.kind === "folded") tensors.push(module.tensor);
          else collectBelow(module, this.#tree.kept, tensors);
        }
      }
      this.#layers = [...byLayer].map(([layer, tensors]) => ({ layer, tensors })).sort((a, b) => a.layer - b.layer);
    }
    return this.#layers;
  }
}

export class Tree {
  readonly root: TreeNode;
  readonly kept: Uint8Array | null;
  readonly #modules: Modules;
  readonly #counts: Uint32Array | null;

  /** `kept[tensor]` is 1 for the tensors to show; null shows all. */
  constructor(modules: Modules, kept: Uint8Array | null) {
    this.#modules = modules;
    this.kept = kept;
    this.#counts = kept === null ? null : countKept(modules, kept);
    this.root = new TreeNode(this, {
      kind: "module", label: "", path: "", id: "", parent: null, members: [modules.root], tensor: -1, foldDepth: -1,
    });
  }

  /** Rows under `node`. */
  childrenOf(node: TreeNode): TreeNode[] {
    if (node.kind === "folded") return node.members.map((module) => this.#tensorNode(node, module, instanceLabel(module, node.foldDepth)));
    if (node.kind === "each") return this.#eachLayer(node);

    const { labelled, numbered, numberedTensors, order } = this.#group(node.members);
    const children: TreeNode[] = [];
    for (const { label, own } of order) children.push(own ? this.#leafRow(node, label, labelled.get(label)!.own) : this.#moduleRow(node, label, labelled.get(label)!.below));
    if (numbered.length > 0) {
      if (numbered.length > 1 && distinctNumbers(numbered) > 1 && repeats(numbered[0]!.parent!)) {
        children.push(this.#layersRow(node, "", node.path, numbered));
      } else {
        for (const [, modules] of byNumber(numbered)) children.push(this.#moduleRow(node, modules[0]!.label, modules));
      }
    }
    if (numberedTensors.length > 0) {
      if (distinctNumbers(numberedTensors) > 2) children.push(this.#foldedRow(node, rangeLabel(numberedTensors), this.#join(node.path, "*"), numberedTensors, depthOf(node, numberedTensors)));
      else for (const [, modules] of byNumber(numberedTensors)) children.push(this.#leafRow(node, modules[0]!.label, modules));
    }
    if (node.kind === "layers") {
      children.push(new TreeNode(this, {
        kind: "each", label: "each layer", path: node.path, id: `each:${node.path}`, parent: node, members: node.members, tensor: -1, foldDepth: node.foldDepth,
      }));
    }
    return children;
  }

  /** The kept children of `members`, by label in file order; numbers apart. */
  #group(members: readonly Module[]): {
    labelled: Map<string, { own: Module[]; below: Module[] }>;
    order: { label: string; own: boolean }[];
    numbered: Module[];
    numberedTensors: Module[];
  } {
    const labelled = new Map<string, { own: Module[]; below: Module[] }>();
    const order: { label: string; own: boolean }[] = [];
    const numbered: Module[] = [];
    const numberedTensors: Module[] = [];
    for (const member of members) {
      for (const child of member.children) {
        const count = this.#countOf(child);
        if (count === 0) continue;
        const own = keepsOwn(child, this.kept);
        const below = count > (own ? 1 : 0);
        if (child.number >= 0) {
          if (own) numberedTensors.push(child);
          if (below) numbered.push(child);
          continue;
        }
        let entry = labelled.get(child.label);
        if (entry === undefined) labelled.set(child.label, (entry = { own: [], below: [] }));
        if (own) {
          if (entry.own.length === 0) order.push({ label: child.label, own: true });
          entry.own.push(child);
        }
        if (below) {
          if (entry.below.length === 0) order.push({ label: child.label, own: false });
          entry.below.push(child);
        }
      }
    }
    return { labelled, order, numbered, numberedTensors };
  }

  /** A module's row; while it has a single child, that child's row with the path as its label. */
  #moduleRow(parent: TreeNode, label: string, members: readonly Module[]): TreeNode {
    let path = this.#join(parent.path, label);
    let at = members;
    for (;;) {
      const only = this.#onlyChild(at);
      if (only === null) break;
      if (only.kind === "layers") return this.#layersRow(parent, label, path, only.modules);
      const next = only.modules[0]!.label;
      label += this.#modules.separator + next;
      path = this.#join(path, next);
      at = only.modules;
      if (only.kind === "own") return this.#leafRow(parent, label, at, path);
    }
    return new TreeNode(this, { kind: "module", label, path, id: `module:${path}`, parent, members: at, tensor: -1, foldDepth: parent.foldDepth });
  }

  /** What stands below `members` when it is a single row. */
  #onlyChild(members: readonly Module[]): { kind: "own" | "below" | "layers"; modules: Module[] } | null {
    let label: string | undefined;
    let numbers = false;
    const own: Module[] = [];
    const below: Module[] = [];
    for (const member of members) {
      for (const child of member.children) {
        if (this.#countOf(child) === 0) continue;
        if (label === undefined) {
          label = child.label;
          numbers = child.number >= 0;
        } else if (child.label !== label && !(numbers && child.number >= 0)) return null;
        const keeps = keepsOwn(child, this.kept);
        if (keeps) own.push(child);
        if (this.#countOf(child) > (keeps ? 1 : 0)) below.push(child);
        if (own.length > 0 && below.length > 0) return null;
      }
    }
    if (label === undefined) return null;
    if (below.length > 0) {
      if (!numbers || distinctNumbers(below) === 1) return { kind: "below", modules: below };
      return repeats(below[0]!.parent!) ? { kind: "layers", modules: below } : null;
    }
    return numbers && distinctNumbers(own) > 1 ? null : { kind: "own", modules: own };
  }

  #layersRow(parent: TreeNode, label: string, path: string, members: readonly Module[]): TreeNode {
    const folded = this.#join(path, "*");
    return new TreeNode(this, {
      kind: "layers",
      label: label === "" ? rangeLabel(members) : `${label} ${rangeLabel(members)}`,
      path: folded,
      id: `layers:${folded}`,
      parent,
      members,
      tensor: -1,
      foldDepth: depthOf(parent, members),
    });
  }

  #leafRow(parent: TreeNode, label: string, members: readonly Module[], path = this.#join(parent.path, label)): TreeNode {
    return members.length === 1 ? this.#tensorNode(parent, members[0]!, label) : this.#foldedRow(parent, label, path, members, parent.foldDepth);
  }

  #foldedRow(parent: TreeNode, label: string, path: string, members: readonly Module[], foldDepth: number): TreeNode {
    const sorted = [...members].sort(byPosition);
    return new TreeNode(this, { kind: "folded", label, path, id: `folded:${path}`, parent, members: sorted, tensor: -1, foldDepth });
  }

  #tensorNode(parent: TreeNode, module: Module, label: string): TreeNode {
    const path = this.nameOf(module);
    return new TreeNode(this, { kind: "tensor", label, path, id: `tensor:${parent.id}:${path}`, parent, members: [module], tensor: module.tensor, foldDepth: -1 });
  }

  /** The layers of an `each` row, one row per number; inside a fold of folds, that number of every outer layer. */
  #eachLayer(node: TreeNode): TreeNode[] {
    const outer = node.parent!.parent!.foldDepth;
    return byNumber(node.members).map(([, modules]) => {
      const label = modules[0]!.label;
      const path = `${node.path.slice(0, -1)}${label}`;
      return new TreeNode(this, { kind: "module", label, path, id: `module:${path}`, parent: node, members: modules, tensor: -1, foldDepth: modules.length > 1 ? outer : -1 });
    });
  }

  /** The module's full path: the tensor's name. */
  nameOf(module: Module): string {
    const labels: string[] = [];
    for (let at = module; at.parent !== null; at = at.parent) labels.push(at.label);
    return labels.reverse().join(this.#modules.separator);
  }

  /** Kept tensors at and below a module. */
  #countOf(module: Module): number {
    return this.#counts === null ? module.total : this.#counts[module.index]!;
  }

  #join(path: string, label: string): string {
    return path === "" ? label : path + this.#modules.separator + label;
  }
}

/**
 * Tensors of the group that `path` names (`*` for any layer number), whatever is kept; empty when there is none. The path
 * need not be one that the present folding shows.
 */
export function tensorsAt(modules: Modules, path: string): number[] {
  let at: Module[] = [modules.root];
  for (const segment of path.split(modules.separator)) {
    at = at.flatMap((module) => module.children.filter((child) => child.label === segment || (segment === "*" && child.number >= 0)));
  }
  const tensors: number[] = [];
  for (const module of at) {
    if (at.length > 1 && module.tensor >= 0) tensors.push(module.tensor);
    collectBelow(module, null, tensors);
  }
  return tensors;
}

/**
 * Are the numbered children of `module` layers that repeat one structure? At least two must share their own children's
 * names with three tensors or more, or a gapless run of three or more share them. An `nn.Sequential` of a few different
 * parts (0, 2, 5 …) is not folded. Judged without the filter, so that typing does not change the shape of the tree.
 */
function repeats(module: Module): boolean {
  const alike = new Map<string, { count: number; tensors: number }>();
  let low = Infinity;
  let high = -Infinity;
  let count = 0;
  for (const child of module.children) {
    if (child.number < 0 || child.children.length === 0) continue;
    count++;
    low = Math.min(low, child.number);
    high = Math.max(high, child.number);
    const signature = child.children.map((part) => part.label).sort().join("\0");
    const entry = alike.get(signature);
    if (entry === undefined) alike.set(signature, { count: 1, tensors: child.total });
    else entry.count++;
  }
  const gapless = high - low + 1 === count;
  for (const entry of alike.values()) if ((entry.count >= 2 && entry.tensors >= 3) || (gapless && entry.count >= 3)) return true;
  return false;
}

/** `0…31`, or `0…46 (24)` when some numbers are not there. */
function rangeLabel(modules: readonly Module[]): string {
  let low = Infinity;
  let high = -Infinity;
  for (const module of modules) {
    low = Math.min(low, module.number);
    high = Math.max(high, module.number);
  }
  const count = distinctNumbers(modules);
  return count === high - low + 1 ? `${low}…${high}` : `${low}…${high} (${count})`;
}

/** The outermost folded number stays the one that depth is counted by. */
function depthOf(parent: TreeNode, members: readonly Module[]): number {
  return parent.foldDepth >= 0 ? parent.foldDepth : members[0]!.depth;
}

/** A folded tensor's own row: its numbers with the lists they count in, `layers.3 · experts.7`. */
function instanceLabel(module: Module, foldDepth: number): string {
  const parts: string[] = [];
  for (let at: Module | null = module; at !== null && at.depth >= foldDepth; at = at.parent) {
    if (at.number >= 0 && at.parent !== null) parts.push(at.parent.parent === null ? at.label : `${at.parent.label}.${at.label}`);
  }
  return parts.reverse().join(" · ");
}

function distinctNumbers(modules: readonly Module[]): number {
  return new Set(modules.map((module) => module.number)).size;
}

function byNumber(modules: readonly Module[]): [number, Module[]][] {
  const groups = new Map<number, Module[]>();
  for (const module of modules) {
    const group = groups.get(module.number);
    if (group === undefined) groups.set(module.number, [module]);
    else group.push(module);
  }
  return [...groups].sort((a, b) => a[0] - b[0]);
}

/** Compares two modules of the same folded path by their numbers, outermost first. */
function byPosition(a: Module, b: Module): number {
  if (a === b || a.parent === null || b.parent === null) return 0;
  return byPosition(a.parent, b.parent) || a.number - b.number;
}
