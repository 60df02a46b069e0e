/** Cells of the tree's rows that are modules of an adapter: what the factors are, and the update that they make. */
import { formatNumber, visibleText } from "../ui/format";
import { moduleText, updateNorms, type ModuleRow } from "./adapter-modules";

/** Type and rank, with the scale and the norms in the tooltip. */
export function ModuleCell({ row }: { row: ModuleRow }) {
  return <span title={moduleTitle(row)}>{visibleText(moduleText(row))}</span>;
}

/** An adapter's module shows its update instead of its factors. */
export function UpdateNorm({ row }: { row: ModuleRow }) {
  const norms = updateNorms(row);
  if (norms === null) return <span class="muted" title="‖ΔW‖ is computed on the page Ranks">ΔW</span>;
  return <span title={`‖ΔW‖ ${formatNumber(norms.norm)}${norms.relative === null ? "" : `, ‖ΔW‖/‖W‖ ${formatNumber(norms.relative)}`}`}>{formatNumber(norms.norm)}</span>;
}

function moduleTitle(row: ModuleRow): string {
  const [first] = row.modules;
  const scales = new Set(row.modules.map(({ scale }) => scale));
  const scale = scales.size === 1 && first?.scale != null ? `, scale ${formatNumber(first.scale)}` : "";
  const norms = updateNorms(row);
  const size = norms === null ? "" : `, ‖ΔW‖ ${formatNumber(norms.norm)}${norms.relative === null ? "" : `, ‖ΔW‖/‖W‖ ${formatNumber(norms.relative)}`}`;
  return visibleText(`${moduleText(row)}${scale}${size}: ${row.modules.length === 1 ? (first?.tensor ?? "") : `${row.modules.length} modules`}`);
}
