/** What stands where a plot will be: same header, same size, so that nothing moves when it comes. */
import "./plots.css";
import type { ComponentChildren } from "preact";

export function PlotPlaceholder({ title, label, children }: { title: ComponentChildren; label: string; children?: ComponentChildren }) {
  return (
    <figure class="plot" aria-label={label}>
      <figcaption class="plot-header"><span class="plot-title">{title}</span></figcaption>
      <div class="plot-body"><div class="plot-message" role="status">{children}</div></div>
    </figure>
  );
}
