/** Flat strips: the change by row, by column, and by attention head, expert or block. */
import { useMemo } from "preact/hooks";
import type { DifferenceResult } from "../../src/engine/protocol";
import { describeHow } from "../frame/how";
import { JobMessage } from "../frame/job-message";
import { Choice } from "../plots/choice";
import { PlotPlaceholder } from "../plots/message";
import { Strip, type StripMark } from "../plots/strip";
import { formatExact, formatInteger, formatShare, plural } from "../ui/format";
import type { Entry } from "./entries";
import { isSmall, jobKey, requestDifference } from "./entry-requests";
import { lineValues, pooledLines, runOf, type LineMeasure } from "./lines";
import { stripsOf, type Drawn } from "./strips";
import type { CompareStore } from "./store";

const POINTS = 512;
const MEASURES: readonly { value: LineMeasure; text: string; title: string }[] = [
  { value: "norm", text: "‖Δ‖", title: "norm of the change" },
  { value: "relative", text: "‖Δ‖/‖A‖", title: "relative to A's norm there" },
  { value: "changed", text: "changed", title: "share of the elements that differ" },
];

export function LineStrips({ store, pair, entry }: { store: CompareStore; pair: number; entry: Entry }) {
  const chosen = store.pageState<LineMeasure>("lines", "norm");
  const job = store.jobs.of<DifferenceResult>(jobKey.difference(pair)).value;
  const structure = store.results.value.get(pair)?.structure;
  const heads = store.opened.value?.heads ?? null;
  const result = job.state === "done" ? job.value : null;
  const strips = useMemo(() => (result === null ? [] : stripsOf(result, entry, structure, heads)), [result, entry, structure, heads]);
  const choice = <Choice label="Measure of rows and columns" value={chosen.value} options={MEASURES} onChange={(value) => { chosen.value = value; }} />;
  if (result === null) {
    const retry = (): void => { store.jobs.stop(jobKey.difference(pair)); requestDifference(store, pair); };
    return (
      <PlotPlaceholder title={<strong>change by row</strong>} label={`Change of ${entry.name} by row`}>
        <JobMessage job={job} busy="Comparing rows and columns" onRetry={retry} onStop={() => store.jobs.stop(jobKey.difference(pair))}
          idle={isSmall(entry) ? undefined : { text: "", action: "Measure", run: () => requestDifference(store, pair) }} />
      </PlotPlaceholder>
    );
  }
  return <>{strips.map((drawn, i) => <LineStrip key={drawn.word} name={entry.name} drawn={drawn} measure={chosen.value} how={describeHow(result.how)} aside={i === 0 ? choice : null} />)}</>;
}

function LineStrip({ name, drawn: { word, many, lines, marked }, measure, how, aside }: { name: string; drawn: Drawn; measure: LineMeasure; how: string; aside: preact.ComponentChildren }) {
  const values = useMemo(() => lineValues(lines, measure), [lines, measure]);
  const drawn = useMemo(() => pooledLines(values, POINTS), [values]);
  const touched = useMemo(() => lines.differing.reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0), [lines]);
  const at = (line: number): number => Math.min(drawn.length - 1, Math.floor((line * drawn.length) / values.length));
  const marks: StripMark[] = marked.slice(0, POINTS).map((line) => ({ at: at(line), look: "mark" }));
  const title = MEASURES.find(({ value }) => value === measure)!.text;
  return (
    <Strip
      id={`${name}-change-by-${word}`}
      title={<><strong>{title} by {word}</strong>{aside}<span class="muted">{touched === values.length ? `all ${plural(values.length, word, many)}` : `${formatInteger(touched)} of ${plural(values.length, word, many)} changed`}</span></>}
      label={`Change of ${name} by ${word}`}
      summary={`${formatInteger(touched)} of ${plural(values.length, word, many)} changed.`}
      how={`${title} of each ${word} · ${how}`}
      values={drawn}
      marks={marks}
      describe={(i) => {
        const [from, to] = runOf(i, drawn.length, values.length);
        const lit = marked.filter((line) => line >= from && line <= to);
        const changed = lines.differing.slice(from, to + 1).reduce((sum, count) => sum + count, 0);
        return [
          [from === to ? `${word} ${formatInteger(from)}` : `${many} ${formatInteger(from)} … ${formatInteger(to)}, largest`, measure === "changed" ? formatShare(drawn[i] ?? 0) : formatExact(drawn[i])],
          ["elements changed", formatInteger(changed)],
          ...(lit.length > 0 && from !== to ? [["changed as a whole", lit.slice(0, 6).map(formatInteger).join(", ")] as const] : []),
        ];
      }}
      table={() => [
        { name: word, values: Array.from(values, (_, i) => i) },
        { name: "norm of change", values: Array.from(lines.squares, Math.sqrt) },
        { name: "norm of A", values: Array.from(lines.reference, Math.sqrt) },
        { name: "differing elements", values: [...lines.differing] },
      ]}
    />
  );
}
