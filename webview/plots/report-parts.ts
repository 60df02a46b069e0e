/** What is on the page now, for the report: plots and tables announce themselves while they are mounted. */
import type { PlotColumn } from "./types";

export interface ReportPart {
  /** Orders the parts as they stand on the page. */
  element: Element;
  title: string;
  how?: string;
  table: () => PlotColumn[];
  /** The plot as an SVG document; absent for a plain table. */
  svg?: () => Promise<string>;
}

const parts = new Set<ReportPart>();

/** Adds a part; returns its removal. */
export function addReportPart(part: ReportPart): () => void {
  parts.add(part);
  return () => parts.delete(part);
}

/** The parts in the order of the page; hidden ones (a folded section, another tab) are left out. */
export function reportParts(): ReportPart[] {
  return [...parts]
    .filter((part) => part.element.getClientRects().length > 0)
    .sort((a, b) => (a.element.compareDocumentPosition(b.element) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1));
}
