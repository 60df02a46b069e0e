/** Labelled numbers in a grid. Each says how it was made and copies itself, in full, when pressed. */
import { useEffect, useRef } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { addReportPart } from "../plots/report-parts";
import { IconButton } from "../ui/button";
import type { PageView } from "./view";

export interface Figure {
  label: string;
  /** In words. */
  title: string;
  /** As shown; null while it is not there yet. */
  text: string | null;
  /** As copied. */
  exact: string;
  approximate?: boolean;
  /** Worth a second look: NaN among the values, say. */
  alarming?: boolean;
}

export function Figures({ view, title, figures, how, children }: {
  view: Pick<PageView, "copy">;
  title: string;
  figures: readonly Figure[];
  how?: string | undefined;
  children?: ComponentChildren;
}) {
  const section = useRef<HTMLElement>(null);
  const latest = useRef({ figures, how });
  latest.current = { figures, how };
  useEffect(
    () =>
      addReportPart({
        element: section.current!,
        title,
        get how() { return latest.current.how ?? ""; },
        table: () => [
          { name: "quantity", values: latest.current.figures.map((figure) => figure.label) },
          { name: "value", values: latest.current.figures.map((figure) => figure.exact) },
          { name: "meaning", values: latest.current.figures.map((figure) => figure.title) },
        ],
      }),
    [title],
  );
  return (
    <section class="figures" ref={section} aria-label={title}>
      <h3 title={how ?? ""}>
        {title}
        <IconButton icon="copy" label={`Copy ${title}`} onClick={() => view.copy(figures.map((figure) => `${figure.label}\t${figure.exact}\n`).join(""), title)} />
      </h3>
      <dl>
        {figures.map((figure) => (
          <div key={figure.label}>
            <dt title={figure.title}>{figure.label}</dt>
            <dd>
              {figure.text === null ? (
                <span class="pending"><span class="screen-reader">not computed</span></span>
              ) : (
                <button
                  type="button"
                  class={figure.alarming === true ? "figure alarming" : "figure"}
                  title={[`${figure.title}: ${figure.exact}`, how, "Click to copy."].filter(Boolean).join("\n")}
                  onClick={() => view.copy(figure.exact, figure.label)}
                >
                  {figure.approximate === true ? "≈ " : ""}{figure.text}
                </button>
              )}
            </dd>
          </div>
        ))}
      </dl>
      {children}
    </section>
  );
}
