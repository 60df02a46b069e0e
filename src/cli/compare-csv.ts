/** `compare --csv`: one line per pair. */
import type { Compare } from "../protocol/results";

const NUMBERS = ["equal", "norm", "relative", "cosine", "normA", "normB", "maxAbs", "meanAbs", "changed", "changedBeyond", "signFlips", "sqnrDb"] as const;

/** Comma-separated as RFC 4180 says, the worst pair first. */
export function compareCsv({ pairs }: Compare): string {
  const header = ["a", "b", "shape", ...NUMBERS, "maxAt", "structure", "rankOfDelta", "stableRankOfDelta", "effectiveRankOfDelta"];
  const rows = pairs.map((pair) => [
    pair.a,
    pair.b,
    pair.shape.join("x"),
    ...NUMBERS.map((key) => pair[key] ?? ""),
    pair.maxAt.join(" "),
    pair.structure?.sentence ?? "",
    pair.spectrum?.delta.matrixRank ?? "",
    pair.spectrum?.delta.stableRank ?? "",
    pair.spectrum?.delta.effectiveRank ?? "",
  ]);
  return [header, ...rows].map((row) => `${row.map((cell) => quoted(String(cell))).join(",")}\r\n`).join("");
}

/** A name that a spreadsheet would take for a formula is no formula. */
function quoted(cell: string): string {
  const safe = /^[=+@\t\r]|^-(?!\d)/.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll("\"", "\"\"")}"` : safe;
}
