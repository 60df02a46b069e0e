/** A number for each two models as a heat map. */
import { CellMap } from "../plots/cell-map";
import { formatNumber, visibleText } from "../ui/format";

export function PairMatrix({ id, title, how, models, values, signed = false }: {
  id: string;
  title: string;
  how: string;
  models: readonly string[];
  values: readonly (readonly (number | null)[])[];
  /** From −1 to 1; else from 0 to 1. */
  signed?: boolean;
}) {
  const cells = values.flat();
  const names = models.map(visibleText);
  return (
    <div class="pair-matrix" style={{ height: `${models.length * 20 + 78}px` }}>
      <CellMap
        id={id}
        title={title}
        label={title}
        how={how}
        rows={names}
        columns={names.map((_, i) => String(i + 1))}
        shares={cells.map((value) => (value === null ? null : signed ? (value + 1) / 2 : value))}
        scale={signed ? { low: "−1", high: "1", signed: true } : { low: "0", high: "1" }}
        text={(cell) => { const value = cells[cell]!; return value === null ? "" : value.toFixed(2).replace(/^-(?=0\.00$)/, "").replace(/^-/, "−"); }}
        describe={(cell) => [
          [names[Math.floor(cell / models.length)]!, names[cell % models.length]!],
          [title.toLowerCase(), cells[cell] === null ? "not defined: nothing changed" : formatNumber(cells[cell])],
        ]}
        table={() => [{ name: "model", values: [...models] }, ...models.map((name, j) => ({ name, values: values.map((row) => row[j]!) }))]}
      />
    </div>
  );
}
