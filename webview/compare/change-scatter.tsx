/** ‖Δ‖ against ‖A‖, one point per tensor; equal tensors have no place on a logarithmic axis. */
import { useMemo } from "preact/hooks";
import { PlotPlaceholder } from "../plots/message";
import { Scatter } from "../plots/scatter";
import { kindsOf } from "../tree/kinds";
import { plural, visibleText } from "../ui/format";
import { measureById } from "./measures";
import type { CompareStore } from "./store";

/** More points only make a stain; those with the largest relative change are drawn. */
const MOST_POINTS = 10_000;
const QUOTIENTS = [1, 0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6].map((value) => ({ value, text: `${value < 1e-3 ? value.toExponential(0).replace("e-", "e−") : value} ‖A‖` }));

export function ChangeScatter({ store, id }: { store: CompareStore; id: string }) {
  const { list, pairs } = store.entries.value;
  const kinds = kindsOf(list);
  const results = store.results.value;
  const values = store.values.value;
  const { points, hidden, equal } = useMemo(() => {
    const [norms, ofA, relative] = ["norm", "normA", "relative"].map((measure) => values.numbers(measureById(measure)!)) as [Float64Array, Float64Array, Float64Array];
    let drawn: number[] = [];
    let unchanged = 0;
    for (let i = 0; i < pairs; i++) {
      if (norms[i]! > 0 && ofA[i]! > 0 && Number.isFinite(norms[i]!)) drawn.push(i);
      else if (norms[i] === 0) unchanged++;
    }
    const total = drawn.length;
    if (total > MOST_POINTS) drawn = drawn.sort((a, b) => relative[b]! - relative[a]!).slice(0, MOST_POINTS);
    return {
      points: drawn.map((i) => ({ id: i, name: visibleText(list[i]!.name), kind: kinds === null ? "other" : kinds.names[kinds.kind[i]!]!, x: ofA[i]!, y: norms[i]! })),
      hidden: total - drawn.length,
      equal: unchanged,
    };
  }, [list, pairs, kinds, values, results]);
  const aside = [...(hidden > 0 ? [`${plural(hidden, "lesser change")} not drawn`] : []), ...(equal > 0 ? [`${plural(equal, "equal tensor")} not on it`] : [])].join(", ");
  const title = <><strong>‖Δ‖ against ‖A‖</strong>{aside !== "" && <span class="muted">{aside}</span>}</>;
  const label = "Norm of the change against the norm of A";
  if (points.length === 0) return <PlotPlaceholder title={title} label={label}>{equal > 0 && equal === results.size ? "Nothing has changed." : "Nothing has arrived yet."}</PlotPlaceholder>;
  return (
    <Scatter
      id={id}
      title={title}
      label={label}
      how="norms over the elements that are finite on both sides"
      points={points}
      xTitle="‖A‖"
      yTitle="‖Δ‖"
      quotients={QUOTIENTS}
      highlighted={store.hovered.value}
      onHover={(entry) => { store.hovered.value = entry; }}
      onSelect={(entry) => store.select({ kind: "entry", entry })}
      table={() => [
        { name: "tensor", values: points.map(({ name }) => name) },
        { name: "norm of A", values: points.map(({ x }) => x) },
        { name: "norm of change", values: points.map(({ y }) => y) },
        { name: "relative", values: points.map(({ x, y }) => y / x) },
      ]}
    />
  );
}
