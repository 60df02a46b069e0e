import type { CachedResult } from "../../src/protocol/inspect";
import { describeHow } from "../frame/how";
import { formatDuration } from "../ui/format";

/** How what is known of a tensor was made, with the time it took or that it was kept from before. */
export function describeResult(result: CachedResult): string {
  const how = result.statistics?.how ?? result.spectrum?.how ?? result.norms?.how;
  if (how === undefined) return "";
  const time = result.fromCache === true ? " · from cache" : result.seconds === undefined ? "" : ` · ${formatDuration(result.seconds)}`;
  return describeHow(how) + time;
}
