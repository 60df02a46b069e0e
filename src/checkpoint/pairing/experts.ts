/** Experts of a mixture: one tensor for each on one side, a stack of them on the other. */
import type { Layout } from "./layout";
import { comparable, type Side, type Sides } from "./sides";

/** What stands before the expert's number, the number, what stands after. */
const EXPERT = /^(.{0,900}(?:^|[._])(?:experts|exps))\.(\d{1,9})\.(.{1,100})$/s;

/** An expert's place in the stack that holds it, by the names of both. */
export function expertOf(key: string): { stacks: string[]; index: number } | undefined {
  // Half a million names are looked at.
  if (!key.includes("exp")) return undefined;
  const match = EXPERT.exec(key);
  if (match === null) return undefined;
  const [, before = "", number = "", after = ""] = match;
  // A stack is a parameter by itself in some libraries: `experts.down_proj` beside `experts.3.down_proj.weight`.
  return { stacks: [`${before}.${after}`, ...(after.endsWith(".weight") ? [`${before}.${after.slice(0, -".weight".length)}`] : [])], index: Number(number) };
}

/** Pairs every expert's tensor with its entry of the other side's stack. */
export function pairExperts(sides: Sides): void {
  pairStacked(sides, sides.a, sides.b, (own, other, rule, layout) => sides.pair(own, other, rule, undefined, layout));
  pairStacked(sides, sides.b, sides.a, (own, other, rule, layout) => sides.pair(other, own, rule, layout, undefined));
}

const SENTENCE = "Each expert's tensor is an entry of a stack of all of them";

function pairStacked(sides: Sides, own: Side, other: Side, pair: (own: number, other: number, rule: number, layout: Layout) => void): void {
  let stacks: ReadonlyMap<string, number | null> | undefined;
  const members = new Map<number, { tensor: number; index: number }[]>();
  for (const tensor of own.open()) {
    const place = expertOf(own.keys[tensor]!);
    if (place === undefined) continue;
    stacks ??= other.byKey();
    const stack = place.stacks.map((name) => stacks!.get(name)).find((found) => found !== undefined && found !== null);
    if (stack === undefined || stack === null) continue;
    const group = members.get(stack);
    if (group === undefined) members.set(stack, [{ tensor, index: place.index }]);
    else group.push({ tensor, index: place.index });
  }
  for (const [stack, group] of members) {
    const [count = 0, ...matrix] = other.shapeOf(stack);
    const indices = new Set(group.map(({ index }) => index));
    const all = group.length === count && indices.size === count && group.every(({ index }) => index < count);
    const layout = orientation(matrix, group.map(({ tensor }) => own.shapeOf(tensor)));
    if (!all || layout === undefined) continue;
    if (sides.isOff("experts")) {
      sides.rule("experts", SENTENCE);
      continue;
    }
    const rule = sides.rule("experts", SENTENCE);
    for (const { tensor, index } of group) {
      pair(tensor, stack, rule, { index, ...layout });
      own.settle(tensor);
    }
    other.settle(stack);
  }
}

/** How an entry of the stack is turned to lie as each of the experts does; undefined when their shapes differ. */
function orientation(entry: readonly number[], experts: readonly (readonly number[])[]): Layout | undefined {
  if (experts.every((shape) => comparable(entry, shape))) return {};
  if (entry.length !== 2) return undefined;
  const turned = [entry[1]!, entry[0]!];
  return experts.every((shape) => comparable(turned, shape)) ? { transpose: true } : undefined;
}
