/** What every tensor does and in which layer, worked out from the names a slice at a time: half a million names take a second. */
import { signal, type ReadonlySignal } from "@preact/signals";
import { kindOf, layerOf } from "../../src/checkpoint/structure";

export interface Kinds {
  /** Kinds in order of first appearance. */
  names: readonly string[];
  /** Per tensor: index into `names`. */
  kind: Uint16Array;
  /** Per tensor: number of the outermost layer; −1 outside of any. */
  layer: Int32Array;
}

/** What a kind is read off. */
interface Named {
  name: string;
  shape: readonly number[];
}

const SLICE = 10_000;
const known = new WeakMap<readonly Named[], ReadonlySignal<Kinds | null>>();

/** The kinds of these tensors; null while they are still being worked out. */
export function kindsOf(rows: readonly Named[]): Kinds | null {
  let kinds = known.get(rows);
  if (kinds === undefined) known.set(rows, (kinds = classify(rows)));
  return kinds.value;
}

function classify(rows: readonly Named[]): ReadonlySignal<Kinds | null> {
  const done = signal<Kinds | null>(null);
  const index = new Map<string, number>();
  const kind = new Uint16Array(rows.length);
  const layer = new Int32Array(rows.length);
  const work = (from: number): void => {
    const to = Math.min(rows.length, from + SLICE);
    for (let i = from; i < to; i++) {
      const { name, shape } = rows[i]!;
      const of = kindOf(name, shape);
      let at = index.get(of);
      if (at === undefined) index.set(of, (at = index.size));
      kind[i] = at;
      layer[i] = layerOf(name) ?? -1;
    }
    if (to < rows.length) setTimeout(work, 0, to);
    else done.value = { names: [...index.keys()], kind, layer };
  };
  work(0);
  return done;
}
