/** Every tensor of the output: what it will be, from what, and how it comes about. */
import type { MergeOverview } from "../../src/protocol/merge";
import { DataTable } from "../plots/data-table";
import { safeFileName } from "../plots/escape";
import { toCsv, toJson } from "../plots/table-data";
import type { PlotColumn } from "../plots/types";
import { Button } from "../ui/button";
import { formatShape } from "../ui/format";
import { inputLooks } from "./inputs";
import type { MergeStore } from "./store";

export function TensorsPage({ store, overview }: { store: MergeStore; overview: MergeOverview }) {
  const { tensors, inputs } = overview;
  const looks = inputLooks(inputs);
  const columns: PlotColumn[] = [
    { name: "tensor", values: tensors.name },
    { name: "kind", values: tensors.kind },
    { name: "layer", values: tensors.layer },
    { name: "shape", values: tensors.shape.map(formatShape) },
    { name: "dtype", values: tensors.dtype },
    { name: "bytes", values: tensors.bytes },
    { name: "how", values: tensors.policy },
    { name: "from", values: tensors.sources.map((sources) => sources.map((i) => looks[i]?.letter ?? "").join(" ")) },
  ];
  const file = safeFileName(`${overview.name} tensors`);
  return (
    <article class="page models-tensors" aria-label="Tensors">
      <p class="merge-bar">
        <Button secondary icon="save" onClick={() => store.save(`${file}.csv`, toCsv(columns))}>CSV</Button>
        <Button secondary icon="save" onClick={() => store.save(`${file}.json`, toJson(columns))}>JSON</Button>
        <span class="muted">{looks.map(({ letter, name }) => `${letter} ${name}`).join(" · ")}</span>
      </p>
      <DataTable columns={columns} label="Tensors" />
    </article>
  );
}
