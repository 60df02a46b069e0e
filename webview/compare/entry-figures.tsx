/** The numbers of a pair, each with how it was made. */
import { describeHow } from "../frame/how";
import { Figures, type Figure } from "../frame/figures";
import { formatCount, formatExact, formatInteger, formatShare } from "../ui/format";
import { measureById } from "./measures";
import type { CompareStore } from "./store";

const SHOWN = ["relative", "norm", "normA", "normB", "cosine", "changed", "signFlips", "maxAbs", "meanAbs", "sqnrDb"];
/** Also where nothing makes them. */
const ALWAYS = new Set(SHOWN.filter((id) => id !== "sqnrDb"));

export function PairFigures({ store, pair }: { store: CompareStore; pair: number }) {
  const entry = store.entries.value.list[pair]!;
  const update = store.results.value.get(pair);
  const numbers = update?.numbers;
  const figures: Figure[] = SHOWN.flatMap((id): Figure[] => {
    const measure = measureById(id)!;
    const value = measure.value(entry, update);
    if (value === null && (numbers !== undefined || !ALWAYS.has(id))) return [];
    return [{ label: measure.label, title: measure.title, text: value === null ? null : measure.format(value), exact: value === null ? "" : formatExact(value) }];
  });
  if (numbers !== undefined && numbers.maxAt.length > 0) {
    const at = numbers.maxAt.map(formatInteger).join(", ");
    figures.push({ label: "at", title: "index of the first element with the largest change", text: `[${at}]`, exact: JSON.stringify(numbers.maxAt) });
  }
  if (numbers !== undefined && numbers.changedBeyond !== numbers.changed) {
    figures.push({ label: "beyond rounding", title: "share of elements that changed by more than rounding to the coarser type does", text: formatShare(numbers.changedBeyond), exact: String(numbers.changedBeyond) });
  }
  if (numbers?.nonFinite !== undefined) {
    const { a, b } = numbers.nonFinite;
    figures.push({ label: "NaN, ∞", title: "elements that are NaN or infinite, in A and in B; they are left out of sums and extremes", text: `${formatCount(a)} | ${formatCount(b)}`, exact: `A ${a}, B ${b}`, alarming: true });
  }
  if (numbers === undefined) return <Figures view={store} title="Change" figures={figures} />;
  return <Figures view={store} title="Change" how={describeHow(numbers.how)} figures={figures} />;
}

