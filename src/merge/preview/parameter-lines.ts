/** Resolved parameters over the layers, as few lines as tell them apart. */
import { kindOf } from "../../checkpoint/structure";
import type { ParameterLines } from "../../protocol/merge";
import type { MergePlan } from "../plan/plan";

type Scalar = number | boolean | string | null;

/**
 * For each parameter a line by input (where it has one for each) and by kinds of tensors. Kinds whose lines are the same share one, and
 * inputs that all have the same value stay apart: whose weight it is matters. Yes and no are drawn as 1 and 0; words are left out.
 */
export function parameterLines({ tensors }: Pick<MergePlan, "tensors">): ParameterLines[] {
  const layers = [...new Set(tensors.map(({ layer }) => layer))].sort((x, y) => (x ?? Infinity) - (y ?? Infinity));
  const column = new Map(layers.map((layer, i) => [layer, i]));
  const found = new Map<string, Map<number | null, Map<string, (number | null)[]>>>();
  const truths = new Set<string>();
  const put = (name: string, input: number | null, kind: string, layer: number | null, value: Scalar | undefined): void => {
    if (typeof value === "boolean") {
      truths.add(name);
      value = value ? 1 : 0;
    }
    if (typeof value !== "number") return;
    const byInput = upsert(found, name, () => new Map<number | null, Map<string, (number | null)[]>>());
    const byKind = upsert(byInput, input, () => new Map<string, (number | null)[]>());
    const values = upsert(byKind, kind, () => layers.map((): number | null => null));
    // Tensors of one kind in one layer that differ (several experts) show the first.
    values[column.get(layer)!] ??= value;
  };
  for (const { name, shape, layer, sources, parameters, policy } of tensors) {
    if (policy !== "merged") continue;
    const kind = kindOf(name, shape);
    for (const [parameter, value] of Object.entries(parameters)) {
      if (Array.isArray(value)) sources.forEach(({ input }, i) => put(parameter, input, kind, layer, value[i]));
      else put(parameter, null, kind, layer, value);
    }
  }
  return [...found].map(([name, byInput]) => ({
    name,
    ...(truths.has(name) ? { truth: true as const } : {}),
    layers,
    lines: [...byInput].sort(([x], [y]) => (x ?? -1) - (y ?? -1)).flatMap(([input, byKind]) => together(byKind).map(({ kinds, values }) => ({ input, kinds, values }))),
  }));
}

/** Kinds of equal values in one; all of them in one have no name. A kind that a layer lacks agrees with any value there. */
function together(byKind: ReadonlyMap<string, (number | null)[]>): { kinds: string[]; values: (number | null)[] }[] {
  const groups: { kinds: string[]; values: (number | null)[] }[] = [];
  for (const [kind, values] of byKind) {
    const same = groups.find((group) => group.values.every((value, i) => value === null || values[i] === null || value === values[i]));
    if (same === undefined) groups.push({ kinds: [kind], values: [...values] });
    else {
      same.kinds.push(kind);
      values.forEach((value, i) => { same.values[i] ??= value; });
    }
  }
  if (groups.length === 1) groups[0]!.kinds = [];
  return groups;
}

function upsert<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}
