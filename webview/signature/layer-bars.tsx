/** How far each robust model is from the clean one, layer by layer in forward order; the bracket says which layers a signature patches. */
import { useRef } from "preact/hooks";
import { toNumber } from "../../src/protocol/results";
import type { SignatureModels, SignatureSnapshot } from "../../src/protocol/signature";
import { TableSection } from "../frame/table-section";
import { formatNumber, visibleText } from "../ui/format";
import type { SignatureStore } from "./store";

type Measured = NonNullable<SignatureSnapshot["measured"]>;
type Measure = "norm" | "relative" | "relativeToUpdate";
const MEASURES: readonly [Measure, string][] = [["norm", "‖robust − clean‖"], ["relative", "‖robust − clean‖ / ‖clean‖"], ["relativeToUpdate", "‖robust − clean‖ / ‖clean − base‖"]];

/** Height of a layer's row in pixels, as the style sheet has it. */
const ROW = 24;

/** The last part of a path, without its extension. */
const shortName = (file: string): string => file.split(/[\\/]/).at(-1)!.replace(/\.[^.]+$/, "");

export function LayerBars({ store, measured: { units, layers, how }, models }: { store: SignatureStore; measured: Measured; models: SignatureModels }) {
  const measure = store.pageState<Measure>("measure", "norm");
  const body = useRef<HTMLTableSectionElement>(null);
  const chosen = Math.min(Math.max(store.layers.value, 1), units.length);
  const choose = (count: number): void => { store.layers.value = Math.min(Math.max(count, 1), units.length); };
  const byName = new Map(layers.map((layer) => [layer.name, layer]));
  // Of a layer: norms of its tensors together, over the same of what they are relative to.
  const valueOf = (tensors: readonly string[], robust: number): number => {
    const all = tensors.flatMap((name) => byName.get(name)?.differences[robust] ?? []);
    const norm = Math.hypot(...all.map((one) => toNumber(one.norm)));
    const key = measure.value;
    if (key === "norm") return norm;
    return norm / Math.hypot(...all.map((one) => { const ratio = toNumber(one[key] ?? "NaN"); return ratio === 0 ? 0 : toNumber(one.norm) / ratio; }));
  };
  const values = units.map(({ tensors }) => models.robust.map((_, i) => valueOf(tensors, i)));
  const most = Math.max(...values.flat().filter(Number.isFinite), Number.MIN_VALUE);
  const drag = (event: PointerEvent): void => {
    const rows = [...(body.current?.rows ?? [])];
    const move = ({ clientY }: PointerEvent): void => choose(rows.filter((row) => row.getBoundingClientRect().top + row.offsetHeight / 2 < clientY).length);
    const handle = event.currentTarget as HTMLElement;
    handle.setPointerCapture(event.pointerId);
    handle.addEventListener("pointermove", move);
    handle.addEventListener("pointerup", () => handle.removeEventListener("pointermove", move), { once: true });
  };
  const keys: Record<string, () => void> = { ArrowLeft: () => choose(chosen - 1), ArrowUp: () => choose(chosen - 1), ArrowRight: () => choose(chosen + 1), ArrowDown: () => choose(chosen + 1), Home: () => choose(1), End: () => choose(units.length) };
  return (
    <TableSection
      view={store}
      id="differences-by-layer"
      title="Differences by layer"
      how={`${how.method} · ${how.precision} · ${how.backend}`}
      table={() => [{ name: "layer", values: units.map(({ name }) => name) }, ...models.robust.map((file, i) => ({ name: `${MEASURES.find(([key]) => key === measure.peek())![1]}: ${shortName(file)}`, values: values.map((row) => row[i]!) }))]}
      tools={(
        <select class="select" aria-label="Measure" value={measure.value} onChange={(event) => { measure.value = event.currentTarget.value as Measure; }}>
          {MEASURES.filter(([key]) => models.base !== null || key !== "relativeToUpdate").map(([key, label]) => <option key={key} value={key}>{label}</option>)}
        </select>
      )}
    >
      <table class="layer-bars">
        <thead><tr><th scope="col" aria-label="patched" /><th scope="col">layer</th>{models.robust.map((file) => <th scope="col" key={file}>{visibleText(shortName(file))}</th>)}</tr></thead>
        <tbody ref={body}>
          {units.map(({ name, tensors }, row) => (
            <tr key={name} class={row < chosen ? "patched" : ""}>
              <td class="bracket">
                {row === 0 && <span class="bracket-handle" style={{ top: `${chosen * ROW - 4}px` }} role="slider" tabIndex={0} aria-label="Layers to patch" aria-valuemin={1} aria-valuemax={units.length} aria-valuenow={chosen} aria-valuetext={`first ${chosen} of ${units.length} layers`} title="Drag to choose the first layers" onPointerDown={drag} onKeyDown={(event) => { const act = keys[event.key]; if (act !== undefined) { act(); event.preventDefault(); event.stopPropagation(); } }} />}
              </td>
              <th scope="row" title={visibleText(tensors.join("\n"))}>{visibleText(name)}</th>
              {values[row]!.map((value, i) => <td key={i}><span class="bar-cell"><span class="bar" style={{ width: `${(100 * (Number.isFinite(value) ? value : 0)) / most}%` }} /></span><span class="bar-value">{formatNumber(value)}</span></td>)}
            </tr>
          ))}
        </tbody>
      </table>
      <p class="signature-note">Signatures patch the first {chosen} of {units.length} layers, in forward order as the names tell it.</p>
    </TableSection>
  );
}
