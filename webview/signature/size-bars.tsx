import type { SignatureEntry } from "../../src/protocol/signature";
import { TableSection } from "../frame/table-section";
import { formatBytes, formatInteger, visibleText } from "../ui/format";
import type { SignatureStore } from "./store";

/** Each signature's size against that of a full copy of the robust model. */
export function SizeBars({ store, signatures }: { store: SignatureStore; signatures: readonly SignatureEntry[] }) {
  return (
    <TableSection
      view={store}
      id="sizes"
      title="Size against a full copy"
      table={() => [{ name: "signature", values: signatures.map(({ name }) => name) }, { name: "bytes", values: signatures.map(({ bytes }) => bytes) }, { name: "bytes of a full copy", values: signatures.map(({ fullCopyBytes }) => fullCopyBytes) }]}
    >
      <table class="layer-bars">
        <tbody>
          {signatures.map(({ path, name, bytes, fullCopyBytes }) => (
            <tr key={path}>
              <th scope="row">{visibleText(name)}</th>
              <td title={`${formatInteger(bytes)} of ${formatInteger(fullCopyBytes)} bytes`}><span class="bar-cell bar-whole"><span class="bar" style={{ width: `${Math.min(100, (100 * bytes) / fullCopyBytes)}%` }} /></span><span class="bar-value">{formatBytes(bytes)} · {((100 * bytes) / fullCopyBytes).toPrecision(3)} %</span></td>
            </tr>
          ))}
        </tbody>
      </table>
    </TableSection>
  );
}
