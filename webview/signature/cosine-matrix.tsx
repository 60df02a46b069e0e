import { toNumber, type SignatureCompare } from "../../src/protocol/results";
import { TableSection } from "../frame/table-section";
import { visibleText } from "../ui/format";
import type { SignatureStore } from "./store";

/** Cosines between signatures, over the tensors that both hold. */
export function CosineMatrix({ store, comparison: { cosine, how }, names }: { store: SignatureStore; comparison: SignatureCompare; names: readonly string[] }) {
  return (
    <TableSection
      view={store}
      id="cosines"
      title="How alike signatures are"
      how={`${how.method} · ${how.precision}`}
      table={() => [{ name: "cosine", values: [...names] }, ...names.map((name, j) => ({ name, values: cosine.map((row) => toNumber(row[j]!)) }))]}
    >
      <table class="cosines" title={`${how.method}; ${how.precision}`}>
        <thead><tr><th scope="col">cosine</th>{names.map((name) => <th scope="col" key={name}>{visibleText(name)}</th>)}</tr></thead>
        <tbody>
          {cosine.map((row, i) => (
            <tr key={names[i]}>
              <th scope="row">{visibleText(names[i] ?? "")}</th>
              {row.map((value, j) => <td key={j}><span class={`cosine${toNumber(value) < 0 ? " cosine-negative" : ""}`} style={{ "--share": `${Math.round(70 * Math.min(Math.abs(toNumber(value)), 1))}%` }}>{Number.isNaN(toNumber(value)) ? "–" : toNumber(value).toFixed(3)}</span></td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </TableSection>
  );
}
