/** Geometry of small lines: values scaled into a box, gaps where there is no finite value. */

/** The line as SVG path data over [0, width] × [0, height]; a lone point becomes a short dash. */
export function sparklinePath(values: readonly (number | null)[], width: number, height: number): string {
  const { low, high } = extent(values);
  if (low === null) return "";
  const step = values.length > 1 ? width / (values.length - 1) : 0;
  let path = "";
  let drawing = false;
  values.forEach((value, i) => {
    if (value === null || !Number.isFinite(value)) {
      drawing = false;
      return;
    }
    const x = (i * step).toFixed(1);
    const y = position(value, low, high, height).toFixed(1);
    path += drawing ? `L${x} ${y}` : `M${x} ${y}h.01`;
    drawing = true;
  });
  return path;
}

/** Range of the finite values; `low` is null when there are none. */
export function extent(values: readonly (number | null)[]): { low: number | null; high: number } {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value === null || !Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return { low: low === Infinity ? null : low, high };
}

/** A constant line runs through the middle. */
export function position(value: number, low: number, high: number, height: number): number {
  // Halves keep the range of ±1e308 finite.
  return high === low ? height / 2 : height * (1 - (value / 2 - low / 2) / (high / 2 - low / 2));
}
