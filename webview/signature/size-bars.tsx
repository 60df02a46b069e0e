import type { SignatureEntry } from "../../src/protocol/signature";
import { formatBytes, formatInteger, visibleText } from "../ui/format";

/** Each signature's size against that of a full copy of the robust model. */
export function SizeBars({ signatures }: { signatures: readonly SignatureEntry[] }) {
  return (
    <section>
      <h2>Size against a full copy</h2>
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
    </section>
  );
}
