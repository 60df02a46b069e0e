/** The raw module tree: one node per dotted segment of the tensors' names, in file order. */

export interface Module {
  readonly label: string;
  readonly parent: Module | null;
  readonly depth: number;
  /** Shared by all modules that have none. */
  children: readonly Module[];
  /** The label as a layer or list number; −1 when it is not one. */
  readonly number: number;
  /** Tensor of exactly this name; −1 when there is none. A module can be both. */
  tensor: number;
  /** Tensors at or below this module. */
  total: number;
  /** Place among all modules, from 0. */
  readonly index: number;
}

const NONE: readonly Module[] = [];

/** Deeper segments stay together in the last label: a name of a million dots must not make a tree a million deep. */
const MAX_DEPTH = 64;

export interface Modules {
  readonly root: Module;
  readonly separator: string;
  /** How many modules there are. */
  readonly count: number;
  /** The module that ends each tensor's name. */
  readonly leaf: readonly Module[];
}

/**
 * Builds the tree from names in file order. Names are split at dots, or at slashes when no name has a dot (Flax and
 * TensorFlow write `params/encoder/kernel`).
 */
export function buildModules(names: readonly string[]): Modules {
  const separator = !names.some((name) => name.includes(".")) && names.some((name) => name.includes("/")) ? "/" : ".";
  let count = 0;
  const make = (label: string, parent: Module | null): Module => makeModule(label, parent, count++);
  const root = make("", null);
  const indices = new Map<Module, Map<string, Module>>();
  const leaf = new Array<Module>(names.length);
  // Neighbours in file order share most of their path: walk it once, look up only what is new.
  const path: Module[] = [root];
  names.forEach((name, tensor) => {
    let depth = 0;
    let start = 0;
    let shared = true;
    for (;;) {
      const stop = depth + 1 < MAX_DEPTH ? name.indexOf(separator, start) : -1;
      const label = stop < 0 ? name.slice(start) : name.slice(start, stop);
      const next = path[depth + 1];
      if (!shared || next === undefined || next.label !== label) {
        shared = false;
        path[depth + 1] = childOf(path[depth]!, label, indices, make);
      }
      depth++;
      if (stop < 0) break;
      start = stop + 1;
    }
    path.length = depth + 1;
    const module = path[depth]!;
    leaf[tensor] = module;
    // An index can list a name twice; the first one stands in the tree, both in the table.
    if (module.tensor >= 0) return;
    module.tensor = tensor;
    for (let i = 0; i <= depth; i++) path[i]!.total++;
  });
  return { root, separator, count, leaf };
}

/** How many tensors a filter keeps at or below each module, by the module's index; `kept[tensor]` is 1 or 0. */
export function countKept(modules: Modules, kept: Uint8Array): Uint32Array {
  const counts = new Uint32Array(modules.count);
  modules.leaf.forEach((module, tensor) => {
    if (kept[tensor] === 1 && module.tensor === tensor) for (let at: Module | null = module; at !== null; at = at.parent) counts[at.index]!++;
  });
  return counts;
}

/** Is the module's own tensor there and kept by the filter? */
export function keepsOwn(module: Module, kept: Uint8Array | null): boolean {
  return module.tensor >= 0 && (kept === null || kept[module.tensor] === 1);
}

/** Appends the kept tensors below `module` to `into`, in the tree's order; null keeps all. */
export function collectBelow(module: Module, kept: Uint8Array | null, into: number[]): void {
  for (const child of module.children) {
    if (keepsOwn(child, kept)) into.push(child.tensor);
    collectBelow(child, kept, into);
  }
}

function childOf(parent: Module, label: string, indices: Map<Module, Map<string, Module>>, make: (label: string, parent: Module) => Module): Module {
  // Most modules have few children; those get no map.
  let index = indices.get(parent);
  let child = index === undefined ? parent.children.find((candidate) => candidate.label === label) : index.get(label);
  if (child === undefined) {
    child = make(label, parent);
    if (parent.children === NONE) parent.children = [child];
    else (parent.children as Module[]).push(child);
    if (index !== undefined) index.set(label, child);
    else if (parent.children.length > 8) {
      index = new Map(parent.children.map((sibling) => [sibling.label, sibling]));
      indices.set(parent, index);
    }
  }
  return child;
}

function makeModule(label: string, parent: Module | null, index: number): Module {
  const depth = parent === null ? 0 : parent.depth + 1;
  return { label, parent, depth, children: NONE, number: numberOf(label), tensor: -1, total: 0, index };
}

function numberOf(label: string): number {
  if (label.length === 0 || label.length > 9) return -1;
  for (let i = 0; i < label.length; i++) {
    const code = label.charCodeAt(i);
    if (code < 48 || code > 57) return -1;
  }
  return Number(label);
}
