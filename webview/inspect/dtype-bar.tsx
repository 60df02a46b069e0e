import type { Overview } from "../../src/protocol/inspect";
import { formatBytes, formatInteger, formatShare, plural, visibleText } from "../ui/format";

/** Shares of the parameters by element type: one stacked bar and its legend. */
export function DtypeBar({ dtypes }: { dtypes: Overview["dtypes"] }) {
  const entries = Object.entries(dtypes).sort((a, b) => b[1].parameters - a[1].parameters);
  const total = entries.reduce((sum, [, { parameters }]) => sum + parameters, 0);
  const describe = ([dtype, { tensors, parameters, bytes }]: (typeof entries)[number]): string =>
    `${visibleText(dtype)}: ${formatInteger(parameters)} parameters in ${plural(tensors, "tensor")}, ${formatBytes(bytes)}`;
  return (
    <div class="key-figure dtypes">
      <span class="dtype-bar" aria-hidden="true">
        {entries.map((entry, i) => <span key={entry[0]} class={`dtype-part dtype-${i % 6}`} title={describe(entry)} style={{ flexGrow: total === 0 ? 1 : entry[1].parameters / total }} />)}
      </span>
      <ul class="dtype-legend" aria-label="Element types">
        {entries.slice(0, 6).map((entry, i) => (
          <li key={entry[0]} title={describe(entry)}>
            <span class={`dtype-key dtype-${i % 6}`} aria-hidden="true" />
            {visibleText(entry[0])} <span class="muted">{formatShare(total === 0 ? 0 : entry[1].parameters / total)}</span>
          </li>
        ))}
        {entries.length > 6 && <li class="muted">and {entries.length - 6} more</li>}
      </ul>
    </div>
  );
}
