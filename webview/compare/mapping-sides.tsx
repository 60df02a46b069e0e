/** Tensors without a partner, A's beside B's, to be paired by hand. */
import { useMemo, useState } from "preact/hooks";
import type { TableRow } from "../../src/protocol/tensor-table";
import { Button } from "../ui/button";
import { formatInteger, formatShape, plural, visibleText } from "../ui/format";
import { Grid, type GridColumn } from "../ui/grid";
import { Icon } from "../ui/icon";
import { SideLetter } from "./side-letter";
import type { CompareStore, Opened } from "./store";

const COLUMNS: readonly GridColumn[] = [
  { id: "name", header: "name", title: "name", width: 160, numeric: false },
  { id: "shape", header: "shape", title: "shape", width: 104, numeric: true },
];

export function MappingSides({ store, opened: { pairs, a, b } }: { store: CompareStore; opened: Opened }) {
  const { rowsA, rowsB } = store.entries.value;
  const [ofA, setA] = useState(-1);
  const [ofB, setB] = useState(-1);
  // Of one name but other shapes: each still looks for another partner.
  const openA = useMemo(() => [...pairs.onlyInA, ...pairs.reshaped.map(([tensor]) => tensor)], [pairs]);
  const openB = useMemo(() => [...pairs.onlyInB, ...pairs.reshaped.map(([, tensor]) => tensor)], [pairs]);
  if (openA.length === 0 && openB.length === 0) return <p class="muted">Every tensor has a partner.</p>;
  const chosen = ofA >= 0 && ofB >= 0 && openA.includes(ofA) && openB.includes(ofB);
  const alike = chosen && elements(rowsA[ofA]!) === elements(rowsB[ofB]!);
  return (
    <section aria-labelledby="mapping-open">
      <h2 id="mapping-open">Without a partner</h2>
      <div class="mapping-sides">
        <Side letter="A" name={a.overview.name} rows={rowsA} tensors={openA} chosen={ofA} onChoose={setA} reshaped={pairs.reshaped.length} />
        <Side letter="B" name={b.overview.name} rows={rowsB} tensors={openB} chosen={ofB} onChoose={setB} reshaped={pairs.reshaped.length} />
      </div>
      <p class="page-actions" role="status">
        <Button disabled={!alike} onClick={() => { store.host.notify("pairUp", { a: ofA, b: ofB }); setA(-1); setB(-1); }}>Pair These Two</Button>
        <span class="muted">
          {!chosen ? "Choose one on each side."
            : alike ? `${visibleText(rowsA[ofA]!.name)} ⇄ ${visibleText(rowsB[ofB]!.name)}`
            : `They cannot be compared: ${formatShape(rowsA[ofA]!.shape)} against ${formatShape(rowsB[ofB]!.shape)}.`}
        </span>
      </p>
    </section>
  );
}

function Side({ letter, name, rows, tensors, chosen, onChoose, reshaped }: {
  letter: "A" | "B";
  name: string;
  rows: readonly TableRow[];
  tensors: readonly number[];
  chosen: number;
  onChoose: (tensor: number) => void;
  reshaped: number;
}) {
  const [typed, setTyped] = useState("");
  const needle = typed.trim().toLowerCase();
  const shown = useMemo(() => (needle === "" ? tensors : tensors.filter((tensor) => rows[tensor]!.name.toLowerCase().includes(needle))), [tensors, rows, needle]);
  const few = Math.max(3, Math.min(12, tensors.length));
  return (
    <div class="mapping-side">
      <h3 title={reshaped > 0 ? `${plural(reshaped, "tensor")} of another shape on the other side among them` : ""}><SideLetter letter={letter} /> {plural(tensors.length, "tensor")} of {visibleText(name)}</h3>
      {tensors.length > 12 && (
        <vscode-textfield label={`Filter the tensors of ${letter}`} placeholder="filter by name" value={typed} onInput={(event) => setTyped((event.currentTarget as HTMLInputElement).value)}>
          <span slot="content-before" class="filter-icon"><Icon name="search" /></span>
          {needle !== "" && <span slot="content-after" class="filter-count">{formatInteger(shown.length)} of {formatInteger(tensors.length)}</span>}
        </vscode-textfield>
      )}
      <div class="mapping-grid" style={{ height: `${few * 22 + 26}px` }}>
        <Grid
          label={`Tensors of ${letter} without a partner`}
          columns={COLUMNS}
          rowCount={shown.length}
          row={(index) => ({ text: visibleText(rows[shown[index]!]!.name), selected: shown[index] === chosen })}
          cell={(index, { id }) => {
            const row = rows[shown[index]!]!;
            return id === "shape" ? formatShape(row.shape) : <span class="elide-start" title={visibleText(row.name)}><bdi dir="ltr">{visibleText(row.name)}</bdi></span>;
          }}
          sort={null}
          onSort={() => undefined}
          onResize={() => undefined}
          onOpen={(index) => onChoose(shown[index]!)}
          empty={tensors.length === 0 ? "None" : "No tensor has such a name."}
        />
      </div>
    </div>
  );
}

function elements({ shape }: TableRow): string {
  // Axes of length 1 change nothing about which elements belong together.
  return shape.filter((extent) => extent !== 1).join();
}
