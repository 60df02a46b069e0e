/** How the relative changes of all tensors are distributed, by factors of ten. */
import { useMemo } from "preact/hooks";
import { PlotPlaceholder } from "../plots/message";
import { StepPlot } from "../plots/step-plot";
import { plural } from "../ui/format";
import { binned } from "./binned";
import { measureById } from "./measures";
import type { CompareStore } from "./store";

export function ChangeDistribution({ store, id }: { store: CompareStore; id: string }) {
  const results = store.results.value;
  const values = store.values.value;
  const { edges, counts, equal } = useMemo(() => binned(values.numbers(measureById("relative")!)), [values, results]);
  const title = <><strong>relative changes</strong>{equal > 0 && <span class="muted">without {plural(equal, "equal tensor")}</span>}</>;
  const label = "Distribution of the relative change of tensors";
  if (counts.length === 0) return <PlotPlaceholder title={title} label={label}>{equal > 0 && equal === results.size ? "Nothing has changed." : "Nothing has arrived yet."}</PlotPlaceholder>;
  return (
    <StepPlot
      id={id}
      title={title}
      label={label}
      how="‖B − A‖/‖A‖ of each tensor"
      curves={[{ name: "tensors", kind: "delta", edges, counts }]}
      xTitle="‖Δ‖/‖A‖"
      yTitle="tensors"
      logX
      logY={false}
      table={() => [
        { name: "from", values: edges.slice(0, -1).map((exponent) => 10 ** exponent) },
        { name: "to", values: edges.slice(1).map((exponent) => 10 ** exponent) },
        { name: "tensors", values: counts },
      ]}
    />
  );
}
