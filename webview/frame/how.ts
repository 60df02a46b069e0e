/** How a number was made, in a line. */
import { toNumber, type How } from "../../src/protocol/results";
import { formatNumber } from "../ui/format";

/** `exact · f64 · one-pass · CPU, 2 threads`, with the error bound or seed where there is one. */
export function describeHow(how: How): string {
  const backend = how.backend === "cpu" ? "CPU" : how.backend.replace(/^gpu:/, "GPU ");
  return [
    how.exact ? "exact" : "approximate",
    how.precision,
    how.method,
    `${backend}, ${how.threads} ${how.threads === 1 ? "thread" : "threads"}`,
    ...(how.errorBound !== undefined && toNumber(how.errorBound) > 0 ? [`error ≤ ${formatNumber(how.errorBound)}`] : []),
    ...(how.seed === undefined ? [] : [`seed ${how.seed}`]),
  ].join(" · ");
}
