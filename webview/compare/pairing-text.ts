import { formatInteger, plural } from "../ui/format";
import type { Opened } from "./store";

/** "291 paired by name, 2 by rule, 1 only in B". */
export function pairingText({ pairs }: Opened): string {
  let byRule = 0;
  for (const rule of pairs.rule) if (rule >= 0) byRule++;
  const byName = pairs.length - byRule;
  const parts = [
    ...(byName > 0 ? [`${formatInteger(byName)} paired by name`] : []),
    ...(byRule > 0 ? [`${formatInteger(byRule)} ${byName > 0 ? "" : "paired "}by rule`] : []),
    ...(pairs.reshaped.length > 0 ? [`${formatInteger(pairs.reshaped.length)} reshaped`] : []),
    ...(pairs.onlyInA.length > 0 ? [`${formatInteger(pairs.onlyInA.length)} only in A`] : []),
    ...(pairs.onlyInB.length > 0 ? [`${formatInteger(pairs.onlyInB.length)} only in B`] : []),
  ];
  return parts.length === 0 ? plural(0, "pair") : parts.join(", ");
}
