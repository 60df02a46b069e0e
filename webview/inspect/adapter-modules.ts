/** Which rows of the tree are an adapter's modules: their factors are shown as one, with the update that they make. */
import { computed, type ReadonlySignal } from "@preact/signals";
import type { AdapterModuleSummary } from "../../src/protocol/inspect";
import type { RankModule, RankUsage } from "../../src/protocol/rank";
import type { InspectStore } from "./store";
import { jobsOf } from "./tensor-page-jobs";
import type { TreeNode } from "../tree/tree";

/** Rows of more tensors are whole parts of the model, not modules. */
const MOST_FACTORS = 4096;

export interface ModuleRow {
  /** The module, or the same module of every folded layer. */
  modules: readonly AdapterModuleSummary[];
  /** Norms of the updates, in the same order; null until all are computed. */
  updates: readonly RankModule[] | null;
}

const lookups = new WeakMap<InspectStore, ReadonlySignal<(node: TreeNode) => ModuleRow | null>>();

/** Says of a row which of the adapter's modules it is; null when it is none, or holds more or less than whole modules. */
export function moduleRows(store: InspectStore): (node: TreeNode) => ModuleRow | null {
  let lookup = lookups.get(store);
  if (lookup === undefined) lookups.set(store, (lookup = computed(() => lookupOf(store))));
  return lookup.value;
}

function lookupOf(store: InspectStore): (node: TreeNode) => ModuleRow | null {
  const adapter = store.adapter.value;
  if (adapter === null || adapter.modules.length === 0) return () => null;
  const owner = new Map<number, number>();
  adapter.modules.forEach(({ factors }, index) => { for (const factor of factors) if (!owner.has(factor)) owner.set(factor, index); });
  const job = jobsOf(store).of(rankKey(store.pageState<string | null>(RANK_BASE, null).value)).value;
  const computedUpdates = new Map(job.state === "done" ? (job.value as RankUsage).modules.map((module) => [module.tensor, module]) : []);
  return (node) => {
    if (node.kind === "tensor" || node.kind === "folded" || node.tensors.length > MOST_FACTORS) return null;
    const found = new Set<number>();
    for (const tensor of node.tensors) {
      const index = owner.get(tensor);
      if (index === undefined) return null;
      found.add(index);
    }
    // One module, or one of each folded layer: never several that are different.
    if (found.size === 0 || found.size !== Math.max(1, node.layers.length)) return null;
    const modules = [...found].map((index) => adapter.modules[index]!);
    const updates = modules.map(({ tensor }) => computedUpdates.get(tensor));
    return { modules, updates: updates.every((update) => update !== undefined) ? updates : null };
  };
}

/** Where the page of ranks keeps the chosen base, and under which name its job runs. */
export const RANK_BASE = "ranks.base";
export function rankKey(base: string | null): string {
  return `ranks ${base ?? ""}`;
}

/** Type, rank and scale in a few letters: `LORA r16`. */
export function moduleText({ modules }: ModuleRow): string {
  const [first] = modules;
  if (first === undefined) return "";
  const ranks = new Set(modules.map(({ rank }) => rank));
  const rank = ranks.size > 1 ? " r…" : first.rank === null ? "" : ` r${first.rank}`;
  return `${first.type}${rank}`;
}

/** ‖ΔW‖ over all modules of the row, and its share of ‖W‖ where the base is known. */
export function updateNorms({ updates }: ModuleRow): { norm: number; relative: number | null } | null {
  if (updates === null) return null;
  const norm = Math.hypot(...updates.map(({ deltaNorm }) => deltaNorm));
  const base = updates.map(({ deltaNorm, relativeNorm }) => (relativeNorm === undefined || relativeNorm === 0 ? null : deltaNorm / relativeNorm));
  return { norm, relative: base.some((each) => each === null) ? null : norm / Math.hypot(...base.map((each) => each!)) };
}
