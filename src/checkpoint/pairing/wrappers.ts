/** Modules that wrap another inside of a model and add their name to its tensors'. */
import type { Side, Sides } from "./sides";

/** PEFT's, torch.compile's, FSDP's and activation checkpointing's. */
const WRAPPERS = ["base_layer", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];

/** Leaves the wrappers' names out of the open tensors' keys, and pairs those that then have one name. */
export function leaveOutWrappers(sides: Sides): void {
  for (const wrapper of WRAPPERS) {
    const changed = [sides.a, sides.b].map((side) => wrapped(side, wrapper));
    const count = changed.reduce((sum, names) => sum + names.length, 0);
    if (count === 0) continue;
    const id = `wrapper:${wrapper}`;
    const rule = sides.rule(id, `The module ${JSON.stringify(wrapper)}, which wraps others, is left out of names`);
    if (sides.isOff(id)) continue;
    for (const [i, side] of [sides.a, sides.b].entries()) for (const [tensor, key] of changed[i]!) side.rename(tensor, key);
    sides.joinEqualKeys(() => rule);
  }
}

/** Open tensors within the wrapper, and their keys without it, where no other tensor has that. */
function wrapped(side: Side, wrapper: string): [number, string][] {
  const part = `${wrapper}.`;
  const found: [number, string][] = [];
  for (const i of side.open()) {
    const key = side.keys[i]!;
    if (!key.includes(part)) continue;
    const without = key.startsWith(part) ? key.slice(part.length) : key.replaceAll(`.${part}`, ".");
    if (without !== key) found.push([i, without]);
  }
  if (found.length === 0) return found;
  const keys = side.byKey();
  const counts = new Map<string, number>();
  for (const [, key] of found) counts.set(key, (counts.get(key) ?? 0) + 1);
  return found.filter(([, key]) => !keys.has(key) && counts.get(key) === 1);
}
