/** All tensors one by one: sortable, filtered with the tree, exported as CSV or JSON. */
import { useEffect, useRef, useState } from "preact/hooks";
import { Button, IconButton } from "../ui/button";
import { formatBytes, formatInteger, plural, visibleText } from "../ui/format";
import { Grid, type GridColumn, type GridHandle } from "../ui/grid";
import { Menu, type MenuItem } from "../ui/menu";
import { Name } from "../ui/name";
import { columnById, COLUMNS, shapeText } from "./columns";
import { tensorMenu } from "./row-menu";
import type { InspectStore } from "./store";
import { tableCsv, tableJson, tableTsv } from "./table-export";
import type { TreeModel } from "./tree-model";
import { exactCell, ValueCell } from "./value-cell";

const NAME_WIDTH = 280;
const NUMBER_WIDTH = 84;
const STRUCTURE = [
  { id: "dtype", label: "dtype", title: "element type", width: 112, numeric: false },
  { id: "shape", label: "shape", title: "shape", width: 0, numeric: true },
  { id: "file", label: "file", title: "file", width: 160, numeric: false },
  { id: "offset", label: "byte", title: "first byte in the file", width: 110, numeric: true },
] as const;
const DEFAULT = ["dtype", "shape", "parameters", "bytes", "l2", "rms", "mean", "standardDeviation", "min", "max", "zeros", "spectralNorm", "stableRank", "alpha"];

export function TensorsPage({ store, model }: { store: InspectStore; model: TreeModel }) {
  const chosen = store.pageState("table.columns", DEFAULT);
  const widths = store.pageState<Record<string, number>>("table.widths", {});
  const [menu, setMenu] = useState<{ label: string; items: MenuItem[]; x: number; y: number } | null>(null);
  const [choosing, setChoosing] = useState<{ x: number; y: number } | null>(null);
  const [exporting, setExporting] = useState<{ x: number; y: number } | null>(null);
  const grid = useRef<GridHandle>(null);
  const rows = store.rows.value;
  const files = store.overview.value!.files;
  const tensors = model.flat.value;
  const selection = store.selection.value;
  const selected = selection.kind === "tensor" ? selection.tensor : -1;
  const hovered = store.hovered.value;
  const pattern = model.filter.pattern.value;

  useEffect(() => {
    const row = selected < 0 ? -1 : tensors.indexOf(selected);
    if (row >= 0) grid.current?.show(row);
  }, [selected, rows]);

  const order = [...STRUCTURE.map(({ id }) => id as string), ...COLUMNS.map(({ id }) => id)];
  const shown = order.filter((id) => chosen.value.includes(id));
  const columns: GridColumn[] = [
    { id: "name", header: "name", title: "name", width: NAME_WIDTH, numeric: false },
    ...shown.map((id): GridColumn => {
      const text = STRUCTURE.find((column) => column.id === id);
      if (text !== undefined) return { id, header: text.label, title: text.title, width: widths.value[id] ?? (id === "shape" ? model.shapeWidth.value : text.width), numeric: text.numeric };
      const column = columnById(id)!;
      return { id, header: column.label, title: column.title, width: widths.value[id] ?? NUMBER_WIDTH, numeric: true };
    }),
  ];
  const cell = (index: number, column: GridColumn): preact.ComponentChildren => {
    const tensor = tensors[index]!;
    const row = rows[tensor]!;
    switch (column.id) {
      case "name": return <span class="elide-start" title={visibleText(row.name)}><bdi dir="ltr"><Name text={row.name} match={pattern === null || pattern.kind === "glob" ? null : pattern.find(row.name)} /></bdi></span>;
      case "dtype": return visibleText(row.dtype);
      case "shape": return shapeText(row);
      case "file": return <span title={visibleText(files[row.file]?.path ?? "")}>{visibleText(lastPart(files[row.file]?.path ?? ""))}</span>;
      case "offset": return row.offset === null ? "" : formatInteger(row.offset);
      default: return <ValueCell store={store} column={columnById(column.id)!} tensors={[tensor]} />;
    }
  };
  const exported = (): Parameters<typeof tableCsv> => [store, tensors, shown];
  const base = visibleText(store.overview.value!.name).replace(/[^\w.-]+/g, "_");
  const onKey = (key: string, index: number, columnId: string | null): boolean => {
    const tensor = tensors[index]!;
    const column = columnId === null ? undefined : columnById(columnId);
    if (key === "s") model.sortBy(columnId ?? "name");
    else if (key === "c" && column !== undefined) store.copy(exactCell(store, column, [tensor]), column.title);
    else if (key === "c") store.copy(rows[tensor]!.name, "the tensor's name");
    else return false;
    return true;
  };

  return (
    <section class="table-page" aria-label="Tensors">
      <div class="table-bar">
        <span class="muted" role="status">
          {tensors.length === rows.length ? plural(rows.length, "tensor") : `${formatInteger(tensors.length)} of ${plural(rows.length, "tensor")}, filtered in the tree`}
          {" · "}{formatBytes(tensors.reduce((sum, tensor) => sum + rows[tensor]!.bytes, 0))}
        </span>
        <span class="table-tools">
          <Button secondary icon="copy" onClick={() => store.copy(tableTsv(...exported()), `a table of ${plural(tensors.length, "tensor")}`)}>Copy</Button>
          <IconButton icon="save" label="Save the table" expanded={exporting !== null} onClick={(event) => setExporting(under(event))} />
          <IconButton icon="list-selection" label="Choose columns" expanded={choosing !== null} onClick={(event) => setChoosing(under(event))} />
        </span>
      </div>
      <Grid
        label="All tensors"
        columns={columns}
        rowCount={tensors.length}
        row={(index) => {
          const tensor = tensors[index]!;
          return { text: visibleText(rows[tensor]!.name), selected: tensor === selected, lit: tensor === hovered };
        }}
        cell={cell}
        sort={model.sort.value}
        onSort={(column) => model.sortBy(column)}
        onResize={(column, width) => { widths.value = { ...widths.peek(), [column]: width }; }}
        onOpen={(index, { alt, double, key }) => {
          const tensor = tensors[index]!;
          if (alt) store.toggleCompared(tensor);
          else if (double || key) store.select({ kind: "tensor", tensor });
          else store.select({ kind: "tensor", tensor }, "tensors");
        }}
        onHover={(index) => { store.hovered.value = tensors[index] ?? -1; }}
        onMenu={(index, at) => {
          const tensor = tensors[index]!;
          const { name } = rows[tensor]!;
          setMenu({ label: visibleText(name), items: [{ label: "Open", key: "Enter", run: () => store.select({ kind: "tensor", tensor }) }, ...tensorMenu(store, [tensor], name, true)], ...at });
        }}
        onKey={onKey}
        empty={rows.length === 0 ? "The file holds no tensors." : "No tensor has such a name."}
        handle={grid}
      />
      {menu !== null && <Menu label={menu.label} items={menu.items} at={menu} onClose={() => setMenu(null)} />}
      {exporting !== null && (
        <Menu
          label="Save the table"
          at={exporting}
          onClose={() => setExporting(null)}
          items={[
            { label: "Save as CSV", run: () => store.save(`${base}.tensors.csv`, tableCsv(...exported())) },
            { label: "Save as JSON", run: () => store.save(`${base}.tensors.json`, tableJson(store, tensors)) },
          ]}
        />
      )}
      {choosing !== null && (
        <Menu
          label="Columns"
          at={choosing}
          onClose={() => setChoosing(null)}
          items={order.map((id) => {
            const column = STRUCTURE.find((known) => known.id === id) ?? columnById(id)!;
            return {
              label: column.title,
              ...(column.label === column.title ? {} : { key: column.label }),
              checked: chosen.value.includes(id),
              stay: true,
              run: () => { chosen.value = chosen.peek().includes(id) ? chosen.peek().filter((other) => other !== id) : [...chosen.peek(), id]; },
            };
          })}
        />
      )}
    </section>
  );
}

function lastPart(path: string): string {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
}

function under(event: MouseEvent): { x: number; y: number } {
  const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
  return { x: box.left, y: box.bottom + 2 };
}
