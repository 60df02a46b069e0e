import type { ComponentChildren } from "preact";
import type { PageView } from "./view";

/** How the numbers on screen were made, or a passing remark; and how much is selected. */
export function StatusLine({ view, how, selection }: { view: PageView; how: string; selection?: { text: ComponentChildren; exact: string } }) {
  const remark = view.remark.value;
  return (
    <footer class="status" data-region="status" tabIndex={-1}>
      <span class="status-how" title={remark?.text ?? how}>
        {remark === null ? how : <span class={remark.error ? "status-error" : undefined}>{remark.text}</span>}
      </span>
      <span class="screen-reader" role="status">{remark?.text ?? ""}</span>
      {selection !== undefined && <span class="status-selection" title={selection.exact}>{selection.text}</span>}
    </footer>
  );
}
