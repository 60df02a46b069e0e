/** Resolved parameters: those that stay the same as a line of text, those that change over the layers as a chart each. */
import { useMemo } from "preact/hooks";
import type { MergeOverview, ParameterLines } from "../../src/protocol/merge";
import { LinePlot } from "../plots/line-plot";
import type { LinePlotProps } from "../plots/types";
import { TableSection } from "../frame/table-section";
import { formatNumber } from "../ui/format";
import { inputLooks, type InputLook } from "./inputs";
import type { MergeStore } from "./store";

export function Parameters({ store, overview }: { store: MergeStore; overview: MergeOverview }) {
  const inputs = useMemo(() => inputLooks(overview.inputs), [overview]);
  if (overview.parameters.length === 0) return null;
  const varying = overview.parameters.filter(changes);
  const constant = overview.parameters.filter((parameter) => !changes(parameter));
  return (
    <section class="merge-parameters" aria-label="Parameters">
      {constant.length > 0 && (
        <TableSection view={store} id="parameters" title={varying.length === 0 ? "Parameters" : "The same in all layers"} table={() => constantTable(constant, overview)}>
          <dl class="merge-constants">
            {constant.map(({ name, lines, truth }) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{lines.map((line, i) => <span key={i} class="merge-constant">{line.input !== null && <span class="merge-letter-plain" title={inputs[line.input]?.name ?? ""}>{inputs[line.input]?.letter}</span>}{valueText(first(line.values), truth === true)}{line.kinds.length > 0 && <span class="muted"> {line.kinds.join(", ")}</span>}</span>)}</dd>
              </div>
            ))}
          </dl>
        </TableSection>
      )}
      {varying.length > 0 && <div class="merge-lines">{varying.map((parameter) => <ParameterPlot key={parameter.name} parameter={parameter} inputs={inputs} />)}</div>}
    </section>
  );
}

function ParameterPlot({ parameter, inputs }: { parameter: ParameterLines; inputs: readonly InputLook[] }) {
  const series = useMemo(() => parameter.lines.map(({ input, kinds, values }, i): LinePlotProps["series"][number] => ({
    name: [input === null ? "" : `${inputs[input]?.letter ?? ""} ${inputs[input]?.name ?? ""}`, kinds.join(", ")].filter(Boolean).join(" · ") || parameter.name,
    kind: input === null ? (kinds[0] ?? "value") : (inputs[input]?.kind ?? "other"),
    x: parameter.layers.map((layer) => layer ?? -1),
    y: values,
    variant: input === null ? 0 : parameter.lines.slice(0, i).filter((line) => line.input === input).length,
  })).map(outsideFirst), [parameter, inputs]);
  return (
    <div class="merge-line">
      <LinePlot
        id={`parameter-${parameter.name}`}
        title={<strong>{parameter.name}</strong>}
        label={`${parameter.name} by layer`}
        how="as it applies after gradients, filters and the order of levels"
        xTitle="layer"
        yTitle={parameter.name}
        series={series}
        table={() => [{ name: "layer", values: parameter.layers }, ...series.map(({ name }, i) => ({ name, values: parameter.lines[i]!.values }))]}
      />
    </div>
  );
}

/** What lies outside of layers stands at −1, ahead of them: points are drawn in the order of their x. */
function outsideFirst(line: LinePlotProps["series"][number]): LinePlotProps["series"][number] {
  const order = line.x.map((_, i) => i).filter((i) => line.y[i] !== null).sort((i, j) => line.x[i]! - line.x[j]!);
  return { ...line, x: order.map((i) => line.x[i]!), y: order.map((i) => line.y[i]!) };
}

function first(values: readonly (number | null)[]): number | null {
  return values.find((value) => value !== null) ?? null;
}

function valueText(value: number | null, truth: boolean): string {
  return truth ? (value === 1 ? "true" : "false") : formatNumber(value);
}

/** Whether any line of it is not level. */
function changes({ lines }: ParameterLines): boolean {
  return lines.some(({ values }) => values.some((value) => value !== null && value !== first(values)));
}

function constantTable(parameters: readonly ParameterLines[], { inputs }: MergeOverview) {
  const rows = parameters.flatMap(({ name, lines }) => lines.map((line) => ({ name, ...line })));
  return [
    { name: "parameter", values: rows.map(({ name }) => name) },
    { name: "model", values: rows.map(({ input }) => (input === null ? null : inputs[input]!.label)) },
    { name: "tensors", values: rows.map(({ kinds }) => (kinds.length === 0 ? "all" : kinds.join(", "))) },
    { name: "value", values: rows.map(({ values }) => first(values)) },
  ];
}
