/** The frame around every plot: title, tools, the data table behind it, a full view, and its place in the report. */
import "./plots.css";
import type { ComponentChildren, TargetedKeyboardEvent } from "preact";
import { useContext, useEffect, useRef, useState } from "preact/hooks";
import { Icon } from "../ui/icon";
import { DataTable } from "./data-table";
import { safeFileName } from "./escape";
import { PlotHostContext, type PlotHost } from "./host";
import { svgToPng } from "./raster";
import { addReportPart } from "./report-parts";
import { toCsv, toJson, toTsv } from "./table-data";
import { theme } from "./theme";
import type { PlotFrameProps } from "./types";

export interface FrameProps extends PlotFrameProps {
  /** The drawing as a standalone SVG document, for exports. */
  svg: () => Promise<string>;
  children: ComponentChildren;
}

type Format = "png" | "svg" | "csv" | "json";
const FORMATS: readonly (readonly [Format, string])[] = [["png", "PNG picture"], ["svg", "SVG picture"], ["csv", "CSV table"], ["json", "JSON table"]];

export function PlotFrame({ id, title, label, summary, how, table, svg, children }: FrameProps) {
  const host = useContext(PlotHostContext);
  const figure = useRef<HTMLElement>(null);
  const [view, setView] = useState<"plot" | "table">("plot");
  const [expanded, setExpanded] = useState(false);
  const [note, setNote] = useState<{ text: string; error: boolean } | null>(null);
  const latest = useRef({ label, how, table, svg });
  latest.current = { label, how, table, svg };

  useEffect(
    () =>
      addReportPart({
        element: figure.current!,
        get title() { return latest.current.label; },
        ...(how === undefined ? {} : { get how() { return latest.current.how ?? ""; } }),
        table: () => latest.current.table(),
        svg: () => latest.current.svg(),
      }),
    [how === undefined],
  );
  useEffect(() => {
    if (note === null || note.error) return;
    const timer = setTimeout(() => setNote(null), 4000);
    return () => clearTimeout(timer);
  }, [note]);

  const attempt = (action: () => Promise<string | null>): void => {
    action().then(
      (text) => setNote(text === null ? null : { text, error: false }),
      (error: unknown) => setNote({ text: error instanceof Error ? error.message : String(error), error: true }),
    );
  };
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLElement>): void => {
    if (!expanded) return;
    if (event.key === "Escape") {
      event.stopPropagation();
      setExpanded(false);
    } else if (event.key === "Tab") keepFocusInside(event);
  };

  return (
    <figure
      ref={figure}
      class={`plot${expanded ? " plot-expanded" : ""}`}
      aria-label={label}
      {...(expanded ? { role: "dialog", "aria-modal": true } : {})}
      onKeyDown={onKeyDown}
    >
      <figcaption class="plot-header">
        <span class="plot-title" title={how ?? ""}>{title}</span>
        <span class="plot-tools" role="toolbar" aria-label={`${label}: tools`}>
          <Tool icon="table" text={view === "table" ? "Show plot" : "Show data table"} pressed={view === "table"} onClick={() => setView(view === "table" ? "plot" : "table")} />
          {host !== null && (
            <Tool icon="copy" text="Copy data" onClick={() => attempt(async () => { await host.copy(toTsv(table())); return "Copied."; })} />
          )}
          {host !== null && <SaveMenu onSave={(format) => attempt(() => save(host, format, id, latest.current))} />}
          <Tool icon={expanded ? "screen-normal" : "screen-full"} text={expanded ? "Back to the page" : "Expand"} pressed={expanded} onClick={() => setExpanded(!expanded)} />
        </span>
      </figcaption>
      <div class="plot-body">
        <div class="plot-drawing" {...(view === "table" ? { "data-covered": true } : {})}>{children}</div>
        {view === "table" && <DataTable columns={table()} label={label} />}
      </div>
      {summary !== undefined && <p class="screen-reader">{summary}</p>}
      <p class={`plot-note${note?.error === true ? " plot-note-error" : ""}`} role="status" hidden={note === null}>
        {note?.text}
        {note?.error === true && <button type="button" class="plot-link" onClick={() => setNote(null)}>Dismiss</button>}
      </p>
    </figure>
  );
}

async function save(host: PlotHost, format: Format, id: string, plot: Pick<FrameProps, "table" | "svg">): Promise<string | null> {
  const name = `${safeFileName(id)}.${format}`;
  const path =
    format === "csv" ? await host.save(name, toCsv(plot.table()), "utf8")
    : format === "json" ? await host.save(name, toJson(plot.table()), "utf8")
    : format === "svg" ? await host.save(name, await plot.svg(), "utf8")
    : await host.save(name, await svgToPng(await plot.svg(), theme.peek().background), "base64");
  return path === null ? null : `Saved ${path}`;
}

function Tool({ icon, text, pressed, onClick }: { icon: string; text: string; pressed?: boolean; onClick: () => void }) {
  return (
    <button type="button" class="plot-tool" title={text} aria-label={text} {...(pressed === undefined ? {} : { "aria-pressed": pressed })} onClick={onClick}>
      <Icon name={icon} />
    </button>
  );
}

function SaveMenu({ onSave }: { onSave: (format: Format) => void }) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    if (!open) return;
    root.current!.querySelector<HTMLElement>("[role=menuitem]")?.focus();
    const outside = (event: Event): void => {
      if (!root.current!.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", outside);
    document.addEventListener("focusin", outside);
    return () => {
      document.removeEventListener("pointerdown", outside);
      document.removeEventListener("focusin", outside);
    };
  }, [open]);
  const close = (): void => {
    setOpen(false);
    root.current!.querySelector<HTMLElement>(".plot-tool")?.focus();
  };
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLElement>): void => {
    if (!open) return;
    const items = [...root.current!.querySelectorAll<HTMLElement>("[role=menuitem]")];
    const at = items.indexOf(document.activeElement as HTMLElement);
    if (event.key === "ArrowDown") items[(at + 1) % items.length]!.focus();
    else if (event.key === "ArrowUp") items[(at + items.length - 1) % items.length]!.focus();
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <span class="plot-save" ref={root} onKeyDown={onKeyDown}>
      <button type="button" class="plot-tool" title="Save" aria-label="Save" aria-haspopup="menu" aria-expanded={open} onClick={() => setOpen(!open)}>
        <Icon name="save" />
      </button>
      {open && (
        <span class="plot-menu" role="menu">
          {FORMATS.map(([format, text]) => (
            <button key={format} type="button" role="menuitem" onClick={() => { close(); onSave(format); }}>{text}</button>
          ))}
        </span>
      )}
    </span>
  );
}

function keepFocusInside(event: TargetedKeyboardEvent<HTMLElement>): void {
  const all = [...event.currentTarget.querySelectorAll<HTMLElement>("button, input, select, [tabindex]")].filter(
    (element) => element.tabIndex >= 0 && element.getClientRects().length > 0,
  );
  const edge = event.shiftKey ? all[0] : all.at(-1);
  if (document.activeElement !== edge) return;
  event.preventDefault();
  (event.shiftKey ? all.at(-1) : all[0])?.focus();
}
