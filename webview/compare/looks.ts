/** What a change looks like, in a word or two for a table's cell; the structure's own sentence says all. */
import type { Structure } from "../../src/protocol/results";
import { formatNumber, plural } from "../ui/format";

/** Empty while nothing is known or nothing special was found. */
export function looksText(structure: Structure | undefined): string {
  if (structure === undefined) return "";
  const { kind, rank, indices, size, factor } = structure;
  const some = (singular: string): string => (indices === undefined ? `${singular}s` : plural(indices.length, singular));
  switch (kind) {
    case "none": return "";
    case "low-rank": return rank === undefined ? "low rank" : `rank ${rank}`;
    case "rows": return some("row");
    case "columns": return some("column");
    case "heads": return some("head");
    case "blocks": return size === undefined ? some("block") : `${some("block")} of ${size}`;
    case "permuted": return "permuted";
    case "scaled": return factor === undefined ? "scaled" : `× ${formatNumber(factor)}`;
  }
}
