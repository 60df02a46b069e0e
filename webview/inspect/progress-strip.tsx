import { visibleText, formatDuration, formatRate } from "../ui/format";
import { Icon } from "../ui/icon";
import type { InspectStore } from "./store";

/** What is being computed, how far, how fast, how long yet, and Stop. Read out every tenth. */
export function ProgressStrip({ store }: { store: InspectStore }) {
  const progress = store.progress.value;
  const engine = store.engine.value;
  if (progress?.running !== true) {
    return engine.state === "starting" ? <span class="progress muted" role="status">starting the engine …</span> : null;
  }
  const share = progress.total === 0 ? 0 : progress.done / progress.total;
  const percent = Math.floor(100 * share);
  const rate = progress.bytesPerSecond > 0 ? ` · ${formatRate(progress.bytesPerSecond)}` : "";
  const left = progress.secondsLeft === null ? "" : ` · ${formatDuration(progress.secondsLeft)} left`;
  return (
    <div class="progress" title={progress.current === undefined ? "" : visibleText(progress.current)}>
      <span class="progress-bar" role="progressbar" aria-label="Analysis" aria-valuemin={0} aria-valuemax={100} aria-valuenow={percent}>
        <span style={{ width: `${100 * share}%` }} />
      </span>
      <span class="progress-text">analysing {percent} %{rate}{left}</span>
      <span class="screen-reader" role="status">{`Analysing, ${percent - (percent % 10)} per cent`}</span>
      <button type="button" class="progress-stop" title="Stop the analysis (Esc)" onClick={() => store.stopAnalysis()}>
        <Icon name="debug-stop" /> stop
      </button>
    </div>
  );
}
