/** Which axes of a tensor are rows and columns, and where the others stand. */
import type { MatrixView } from "../../src/protocol/inspect";

export function AxisPicker({ shape, view, onChange }: { shape: readonly number[]; view: MatrixView; onChange: (view: MatrixView) => void }) {
  const choose = (which: "rowAxis" | "columnAxis", axis: number): void => {
    const other = which === "rowAxis" ? "columnAxis" : "rowAxis";
    // Choosing the other's axis swaps the two.
    onChange({ ...view, [which]: axis, ...(view[other] === axis ? { [other]: view[which] } : {}) });
  };
  const select = (which: "rowAxis" | "columnAxis", text: string) => (
    <label title={`axis that runs along the ${text}, and its length`}>
      {text}{" "}
      <select value={view[which]} onChange={(event) => choose(which, Number(event.currentTarget.value))}>
        {shape.map((extent, axis) => <option key={axis} value={axis}>{`${axis} (${extent})`}</option>)}
      </select>
    </label>
  );
  return (
    <span class="axis-picker">
      {select("rowAxis", "rows")}
      {select("columnAxis", "columns")}
      {shape.map((extent, axis) => {
        if (axis === view.rowAxis || axis === view.columnAxis) return null;
        const index = view.indices[axis] ?? 0;
        return (
          <label key={axis}>
            axis {axis}{" "}
            <input
              type="range"
              min="0"
              max={extent - 1}
              step="1"
              value={index}
              aria-valuetext={`${index} of ${extent}`}
              disabled={extent < 2}
              onInput={(event) => onChange({ ...view, indices: view.indices.with(axis, Number(event.currentTarget.value)) })}
            />
            <output>{index}<span> / {extent - 1}</span></output>
          </label>
        );
      })}
    </span>
  );
}
