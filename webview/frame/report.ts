/** The page on screen as one HTML file that needs nothing else: plots as inline SVG, tables, how each number was made. */
import { escapeMarkup, safeFileName } from "../plots/escape";
import type { PlotHost } from "../plots/host";
import { reportParts, type ReportPart } from "../plots/report-parts";
import { rowCount } from "../plots/table-data";
import { theme } from "../plots/theme";
import { formatExact, formatInteger, visibleText } from "../ui/format";

/** Longer tables are cut, and say so: the plot's CSV has all. */
const MOST_ROWS = 1000;

export interface ReportSubject {
  /** Of what is open; begins the file's name. */
  name: string;
  /** The page on screen: a tensor, a module, a tab. */
  subject: string;
  /** Files the numbers are of. */
  paths: readonly string[];
  facts: readonly (readonly [string, string])[];
  /** What was found, ahead of the plots. */
  sentences?: readonly string[];
}

/**
 * Asks where to save the page on screen, and writes it. Answers the path, or null when the user cancelled.
 * @throws Error with one sentence when it cannot be written.
 */
export async function writeReport(files: PlotHost, subject: ReportSubject): Promise<string | null> {
  const sections: string[] = [];
  for (const part of reportParts()) sections.push(await section(part));
  return files.save(`${safeFileName(`${subject.name}-${subject.subject}`)}.html`, page(subject, sections), "utf8");
}

const text = (value: string): string => escapeMarkup(visibleText(value));

async function section(part: ReportPart): Promise<string> {
  const how = part.how === undefined || part.how === "" ? "" : `<p class="how">${text(part.how)}</p>`;
  const plot = part.svg === undefined ? "" : `<div class="plot">${withoutProlog(await part.svg())}</div>`;
  const table = tableMarkup(part);
  return `<section><h2>${text(part.title)}</h2>${how}${plot}${part.svg === undefined ? table : `<details><summary>Data</summary>${table}</details>`}</section>`;
}

/** Inside HTML an SVG has no XML declaration. */
function withoutProlog(svg: string): string {
  return svg.replace(/^\s*<\?xml[^>]*\?>/, "");
}

function tableMarkup({ table }: ReportPart): string {
  const columns = table();
  const total = rowCount(columns);
  const rows: string[] = [];
  for (let i = 0; i < Math.min(total, MOST_ROWS); i++) {
    rows.push(`<tr>${columns.map(({ values }) => {
      const value = values[i] ?? null;
      return typeof value === "number" ? `<td class="number">${escapeMarkup(formatExact(value))}</td>` : `<td>${value === null ? "" : text(value)}</td>`;
    }).join("")}</tr>`);
  }
  const cut = total > MOST_ROWS ? `<p class="how">The first ${MOST_ROWS} of ${formatInteger(total)} rows.</p>` : "";
  return `<table><thead><tr>${columns.map(({ name }) => `<th scope="col">${text(name)}</th>`).join("")}</tr></thead><tbody>${rows.join("")}</tbody></table>${cut}`;
}

function page({ name, subject, paths, facts, sentences = [] }: ReportSubject, sections: readonly string[]): string {
  const look = theme.peek();
  // Plots keep the colours they had on screen, so the page around them does too.
  const css = `:root{color-scheme:${look.dark ? "dark" : "light"}}body{margin:2rem auto;max-width:72rem;padding:0 1.5rem;font:14px/1.5 system-ui,sans-serif;color:${cssColour(look.foreground)};background:${cssColour(look.background)}}h1{margin:0;font-size:1.3rem;overflow-wrap:anywhere}h2{margin:2rem 0 .3rem;font-size:1.05rem;overflow-wrap:anywhere}.how,header p{margin:.2rem 0;color:${cssColour(look.muted)};overflow-wrap:anywhere}.plot svg{max-width:100%;height:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}td,th{padding:1px 14px 1px 0;text-align:left;font-weight:normal;vertical-align:top;overflow-wrap:anywhere}th{opacity:.75}.number{text-align:right}dl{display:grid;grid-template-columns:max-content 1fr;gap:0 1rem;margin:.6rem 0}dt{opacity:.75}dd{margin:0;overflow-wrap:anywhere}summary{cursor:pointer;opacity:.75}`;
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${text(`${name}: ${subject}`)}</title>
<style>${css}</style>
</head>
<body>
<header><h1>${text(subject)}</h1>${paths.map((path) => `<p>${text(path)}</p>`).join("")}</header>
<dl>${facts.map(([name, value]) => `<dt>${text(name)}</dt><dd>${text(value)}</dd>`).join("")}</dl>
${sentences.map((sentence) => `<p>${text(sentence)}</p>`).join("\n")}
${sections.join("\n")}
</body>
</html>
`;
}

/** A theme's colour may be any CSS; one that could leave the rule is dropped. */
function cssColour(colour: string): string {
  return /^[#\w(),.%/ -]+$/.test(colour) ? colour : "inherit";
}
