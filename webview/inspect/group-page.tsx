/** A module: its tensors, and, when it is folded, that module across depth. */
import { useMemo } from "preact/hooks";
import { foldedName, layerOf } from "../../src/checkpoint/structure";
import { Sparkline } from "../plots/sparkline";
import { Button, Link } from "../ui/button";
import { formatBytes, formatCount, formatInteger, plural, visibleText } from "../ui/format";
import { columnById, hasSpectrum, parametersOf, shapeText, type Column } from "./columns";
import { DepthPlot } from "./depth-plot";
import { FindingLine } from "../frame/finding-line";
import type { InspectStore } from "./store";
import type { TreeModel } from "./tree-model";
import { compareNatural } from "../../src/checkpoint/natural-order";
import { ValueCell } from "./value-cell";

const ALWAYS = ["parameters", "l2", "rms", "standardDeviation", "maxAbs"];
const WITH_SPECTRA = ["spectralNorm", "stableRank", "alpha"];
const MOST_ROWS = 400;
const MOST_FINDINGS = 20;
const LEAST_LAYERS = 3;

interface Part {
  /** The name inside the module, `*` for folded numbers. */
  label: string;
  tensors: number[];
}

export function GroupPage({ store, model, path, tensors }: { store: InspectStore; model: TreeModel; path: string; tensors: readonly number[] }) {
  const rows = store.rows.value;
  const results = store.results.value;
  const separator = store.modules.value.separator;
  const parts = useMemo(() => partsOf(tensors, path, separator, (tensor) => rows[tensor]!.name), [tensors, rows]);
  const parameters = tensors.reduce((sum, tensor) => sum + parametersOf(rows[tensor]!.shape), 0);
  const bytes = tensors.reduce((sum, tensor) => sum + rows[tensor]!.bytes, 0);
  const open = tensors.filter((tensor) => rows[tensor]!.unreadable === undefined && results.get(tensor)?.statistics === undefined);
  const spectra = tensors.filter((tensor) => rows[tensor]!.unreadable === undefined && hasSpectrum(rows[tensor]!.shape) && results.get(tensor)?.spectrum === undefined);
  const columns = [...ALWAYS, ...(tensors.some((tensor) => results.get(tensor)?.spectrum !== undefined) ? WITH_SPECTRA : [])].map((id) => columnById(id)!);
  const names = new Set(tensors.map((tensor) => rows[tensor]!.name));
  const findings = store.findings.value.filter(({ tensor }) => tensor !== undefined && names.has(tensor));
  const running = store.progress.value?.running === true;
  return (
    <article class="page" aria-label={`Module ${visibleText(path)}`}>
      <header class="page-header">
        <h2 class="page-title">{visibleText(path)}</h2>
        <p class="muted" title={`${formatInteger(parameters)} parameters, ${formatInteger(bytes)} bytes`}>
          {plural(tensors.length, "tensor")} · {formatCount(parameters)} parameters · {formatBytes(bytes)}
        </p>
        {!running && (
          <p class="page-actions">
            {open.length > 0 && <Button secondary icon="play" onClick={() => store.analyse(["statistics", "norms"], open)}>Statistics of {plural(open.length, "tensor")}</Button>}
            {spectra.length > 0 && <Button secondary icon="graph-line" onClick={() => store.analyse(["spectrum"], spectra)}>Spectra of {plural(spectra.length, "matrix", "matrices")}</Button>}
          </p>
        )}
      </header>
      {findings.length > 0 && (
        <ul class="findings">
          {findings.slice(0, MOST_FINDINGS).map((finding, i) => <FindingLine key={i} view={store} finding={finding} />)}
          {findings.length > MOST_FINDINGS && <li class="muted">and {plural(findings.length - MOST_FINDINGS, "other")} on the Health page</li>}
        </ul>
      )}
      <section class="overview-chart"><DepthPlot store={store} id="group-by-depth" tensors={tensors} /></section>
      <section aria-label="Tensors of the module" class="page-scroll">
        <table class="quiet-table">
          <thead>
            <tr>
              <th scope="col">tensor</th><th scope="col" class="number">×</th><th scope="col" class="number">shape</th>
              {columns.map((column) => <th key={column.id} scope="col" class="number" title={column.title}>{column.label}</th>)}
              <th scope="col">{model.spark.value.label} by layer</th>
            </tr>
          </thead>
          <tbody>
            {parts.slice(0, MOST_ROWS).map((part) => <PartRow key={part.label} store={store} part={part} columns={columns} spark={model.spark.value} path={path} />)}
          </tbody>
        </table>
        {parts.length > MOST_ROWS && <p class="muted">and {plural(parts.length - MOST_ROWS, "other")}; the Tensors page lists all.</p>}
      </section>
    </article>
  );
}

function PartRow({ store, part, columns, spark, path }: { store: InspectStore; part: Part; columns: readonly Column[]; spark: Column; path: string }) {
  const rows = store.rows.value;
  const { tensors, label } = part;
  const first = rows[tensors[0]!]!;
  const alike = tensors.every((tensor) => rows[tensor]!.shape.join() === first.shape.join());
  const separator = store.modules.value.separator;
  const open = (): void => {
    if (tensors.length === 1) store.select({ kind: "tensor", tensor: tensors[0]! });
    else store.select({ kind: "group", path: label === "" ? path : path + separator + label, tensors });
  };
  const lit = tensors.includes(store.hovered.value);
  return (
    <tr class={lit ? "lit" : undefined}>
      <th scope="row">{label === "" && tensors.length > 1 ? "all layers" : <Link title={visibleText(first.name)} onClick={open}>{visibleText(label === "" ? first.name : label)}</Link>}</th>
      <td class="number">{tensors.length > 1 ? formatInteger(tensors.length) : ""}</td>
      <td class="number">{alike ? shapeText(first) : <span class="muted">several</span>}</td>
      {columns.map((column) => <td key={column.id} class="number"><ValueCell store={store} column={column} tensors={tensors} /></td>)}
      <td><PartLine store={store} tensors={tensors} spark={spark} /></td>
    </tr>
  );
}

function PartLine({ store, tensors, spark }: { store: InspectStore; tensors: readonly number[]; spark: Column }) {
  void store.results.value;
  const rows = store.rows.value;
  const byLayer = useMemo(() => {
    const layers = new Map<number, number[]>();
    for (const tensor of tensors) {
      const layer = layerOf(rows[tensor]!.name);
      if (layer !== null) layers.set(layer, [...(layers.get(layer) ?? []), tensor]);
    }
    return [...layers].sort((a, b) => a[0] - b[0]).map(([, group]) => group);
  }, [tensors, rows]);
  if (byLayer.length < LEAST_LAYERS) return null;
  const values = byLayer.map((group) => {
    const { value } = store.values.value.combine(spark, group);
    return Number.isFinite(value) ? value : null;
  });
  return values.every((value) => value === null) ? null : <Sparkline values={values} width={96} height={16} label={`${spark.title} by layer`} />;
}

/** The tensors by their name inside the module, folded over layers and experts; a folded tensor's own page lists its layers. */
export function partsOf(tensors: readonly number[], path: string, separator: string, nameOf: (tensor: number) => string): Part[] {
  const depth = path.split(separator).length;
  const group = (fold: (name: string) => string): Part[] => {
    const parts = new Map<string, number[]>();
    for (const tensor of tensors) {
      const label = fold(nameOf(tensor));
      const part = parts.get(label);
      if (part === undefined) parts.set(label, [tensor]);
      else part.push(tensor);
    }
    return [...parts].map(([label, list]) => ({ label, tensors: list }));
  };
  const inside = (name: string): string => name.split(separator).slice(depth).join(separator);
  const folded = group((name) => inside(foldedName(name)));
  // One folded tensor and nothing else: its layers are what there is to list.
  if (folded.length === 1) return group((name) => name).sort((a, b) => compareNatural(a.label, b.label)).map(({ tensors: list }) => ({ label: "", tensors: list }));
  return folded;
}
