/** Every tensor that all models have, with what they do to it. */
import type { Relations } from "../../src/protocol/results";
import { DataTable } from "../plots/data-table";
import { safeFileName } from "../plots/escape";
import { toCsv, toJson } from "../plots/table-data";
import type { PlotColumn } from "../plots/types";
import { Button } from "../ui/button";
import { namesOf } from "./names";
import type { ModelsStore } from "./store";

export function TensorsPage({ store, relations }: { store: ModelsStore; relations: Relations }) {
  const { base, models } = namesOf(store.subject);
  const columns = columnsOf(relations, models);
  const file = safeFileName(`models of ${base}`);
  return (
    <article class="page models-tensors" aria-label="Tensors">
      <p class="models-actions">
        <Button secondary icon="save" onClick={() => store.save(`${file}.csv`, toCsv(columns))}>CSV</Button>
        <Button secondary icon="save" onClick={() => store.save(`${file}.json`, toJson(columns))}>JSON</Button>
      </p>
      <DataTable columns={columns} label="Tensors" />
    </article>
  );
}

function columnsOf({ tensors }: Relations, models: readonly string[]): PlotColumn[] {
  const pairs = models.flatMap((_, i) => models.slice(i + 1).map((__, k) => [i, i + 1 + k] as const));
  const column = (name: string, values: PlotColumn["values"]): PlotColumn => ({ name, values });
  return [
    column("tensor", tensors.map(({ name }) => name)),
    column("kind", tensors.map(({ kind }) => kind)),
    column("layer", tensors.map(({ layer }) => layer)),
    column("elements", tensors.map(({ parameters }) => parameters)),
    column("sign conflict", tensors.map(({ signConflict }) => signConflict)),
    ...models.map((name, i) => column(`‖τ‖ ${name}`, tensors.map(({ norms }) => norms[i]!))),
    ...pairs.map(([i, j]) => column(`cosine ${models[i]!}, ${models[j]!}`, tensors.map(({ cosine }) => cosine[i]![j]!))),
    ...pairs.map(([i, j]) => column(`overlap ${models[i]!}, ${models[j]!}`, tensors.map(({ overlap }) => overlap[i]![j]!))),
  ];
}
