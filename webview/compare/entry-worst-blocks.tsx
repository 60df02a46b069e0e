/** Of a quantised side: the blocks of neighbouring elements whose error is largest. */
import { useEffect, useRef } from "preact/hooks";
import { addReportPart } from "../plots/report-parts";
import { formatExact, formatInteger, formatNumber } from "../ui/format";
import type { CompareStore } from "./store";

export function WorstBlocks({ store, pair }: { store: CompareStore; pair: number }) {
  const blocks = store.results.value.get(pair)?.numbers?.worstBlocks ?? [];
  const section = useRef<HTMLElement>(null);
  const at = (index: readonly number[]): string => `[${index.map(formatInteger).join(", ")}]`;
  useEffect(() => {
    if (blocks.length === 0) return;
    return addReportPart({
      element: section.current!,
      title: "Worst blocks",
      table: () => [
        { name: "at", values: blocks.map((block) => JSON.stringify(block.at)) },
        { name: "elements", values: blocks.map(({ length }) => length) },
        { name: "norm of error", values: blocks.map(({ norm }) => norm) },
        { name: "relative", values: blocks.map(({ relative }) => relative) },
      ],
    });
  }, [blocks]);
  if (blocks.length === 0) return null;
  return (
    <section class="figures" ref={section} aria-label="Worst blocks">
      <h3 title="Neighbouring elements of one row, as many as the quantiser's block has, with the largest ‖Δ‖">Worst blocks</h3>
      <table class="quiet-table worst-blocks">
        <thead><tr><th scope="col">from element</th><th scope="col" class="number">elements</th><th scope="col" class="number">‖Δ‖</th><th scope="col" class="number">‖Δ‖/‖A‖ there</th></tr></thead>
        <tbody>
          {blocks.map((block, i) => (
            <tr key={i}>
              <td>{at(block.at)}</td>
              <td class="number">{formatInteger(block.length)}</td>
              <td class="number" title={formatExact(block.norm)}>{formatNumber(block.norm)}</td>
              <td class="number" title={formatExact(block.relative)}>{formatNumber(block.relative)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
