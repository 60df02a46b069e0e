/** Fused attention on both sides, in another order: by heads in one model, queries before keys before values in GGUF. */
import type { Layout, RowRun } from "./layout";
import { headsOf, type ModelFacts } from "./model-facts";
import type { Side, Sides } from "./sides";

/** Whose converters bring the rows in order. */
const REORDERED = new Set(["gptneox", "bloom", "falcon"]);
const WAYS = {
  here: { id: "qkv-reordered", sentence: "Query, key and value, head by head in one file, are compared with GGUF's, which follow one another" },
  absent: { id: "qkv-as-stored", sentence: "Query, key and value are taken in the order in which both sides store them" },
} as const;

/** Pairs query, key and value one by one where the two orders differ; else leaves the tensors to the others of equal key. */
export function pairQkvOrders(sides: Sides, gguf: Side, other: Side, models: readonly ModelFacts[]): void {
  const partners = gguf.byKey();
  const likely = REORDERED.has(models[0]?.architecture ?? "");
  for (const tensor of other.open()) {
    const partner = partners.get(other.keys[tensor]!);
    const match = /^blk\.(\d{1,9})\.attn_qkv\.(?:weight|bias)$/.exec(other.keys[tensor]!);
    if (match === null || typeof partner !== "number" || !other.tensors[tensor]!.name.includes("query_key_value")) continue;
    const [rows = 0] = other.shapeOf(tensor);
    const runs = ordersOf(rows, headsOf(models, Number(match[1]), false), headsOf(models, Number(match[1]), true));
    if (runs === undefined || rows !== gguf.shapeOf(partner)[0]) continue;
    const inOrder = (own: RowRun, its: RowRun): [number, number, Layout, Layout] =>
      other === sides.a ? [tensor, partner, { rows: own }, { rows: its }] : [partner, tensor, { rows: its }, { rows: own }];
    const [, key] = runs as [Runs, Runs, Runs];
    const chosen = sides.choose(likely ? [WAYS.here, WAYS.absent] : [WAYS.absent, WAYS.here], ({ id }) => sides.described(...inOrder(id === WAYS.here.id ? key.byHead : key.consecutive, key.consecutive)));
    if (chosen?.id !== WAYS.here.id) continue;
    const rule = sides.rule(chosen.id, chosen.sentence);
    for (const { byHead, consecutive } of runs) {
      const [a, b, layoutA, layoutB] = inOrder(byHead, consecutive);
      sides.pair(a, b, rule, layoutA, layoutB);
    }
    other.settle(tensor);
    gguf.settle(partner);
  }
}

interface Runs {
  byHead: RowRun;
  consecutive: RowRun;
}

/** Rows of query, key and value in both orders; undefined when they do not differ, or the numbers of heads are not known. */
function ordersOf(rows: number, heads: number | undefined, groups: number | undefined): Runs[] | undefined {
  if (heads === undefined || groups === undefined || groups < 2 || heads % groups !== 0 || rows % (heads + 2 * groups) !== 0) return undefined;
  const size = rows / (heads + 2 * groups);
  const step = rows / groups;
  let [within, at] = [0, 0];
  return [heads / groups, 1, 1].map((count): Runs => {
    const run = count * size;
    const found = { byHead: { start: within, stop: rows, run, step }, consecutive: { start: at, stop: at + run * groups } };
    within += run;
    at += run * groups;
    return found;
  });
}
