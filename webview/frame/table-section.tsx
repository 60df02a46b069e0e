/** A section whose picture is its table (bars or shades in its cells): with what every plot's data can do, and its place in the report. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { addReportPart } from "../plots/report-parts";
import { toCsv, toJson, toTsv } from "../plots/table-data";
import type { PlotColumn } from "../plots/types";
import { IconButton } from "../ui/button";
import type { PageView } from "./view";

export function TableSection({ view, id, title, how, table, tools, children }: {
  view: PageView;
  /** Begins the names of saved files. */
  id: string;
  title: string;
  /** How the numbers were made. */
  how?: string;
  /** All of it, in full. */
  table: () => PlotColumn[];
  /** Beside the title. */
  tools?: ComponentChildren;
  children: ComponentChildren;
}) {
  const root = useRef<HTMLElement>(null);
  const latest = useRef(table);
  latest.current = table;
  useEffect(() => addReportPart({ element: root.current!, title, ...(how === undefined ? {} : { how }), table: () => latest.current() }), [title, how]);
  return (
    <section ref={root}>
      <header class="table-section-heading">
        <h2 {...(how === undefined ? {} : { title: how })}>{title}</h2>
        {tools}
        <span class="table-section-tools" role="toolbar" aria-label={`${title}: tools`}>
          <IconButton icon="copy" label="Copy data" onClick={() => view.copy(toTsv(table()), title)} />
          <IconButton icon="save" label="Save as CSV" onClick={() => view.save(`${id}.csv`, toCsv(table()))} />
          <IconButton icon="json" label="Save as JSON" onClick={() => view.save(`${id}.json`, toJson(table()))} />
        </span>
      </header>
      {children}
    </section>
  );
}
