/** A tiny line without axes. Gaps where values are missing; NaN and infinities count as missing. */
import "./plots.css";
import { extent, position, sparklinePath } from "./sparkline-path";
import type { SparklineProps } from "./types";

export function Sparkline({ values, width = 72, height = 16, label, marked }: SparklineProps) {
  const { low, high } = extent(values);
  const mark = marked === undefined ? null : (values[marked] ?? null);
  return (
    <svg class="sparkline" width={width} height={height} viewBox={`-2 -2 ${width + 4} ${height + 4}`} role="img" aria-label={label}>
      <path d={sparklinePath(values, width, height)} />
      {marked !== undefined && mark !== null && low !== null && Number.isFinite(mark) && (
        <circle cx={values.length > 1 ? (marked * width) / (values.length - 1) : 0} cy={position(mark, low, high, height)} r="2.5" />
      )}
    </svg>
  );
}
