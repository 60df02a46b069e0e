import { visibleText, formatDuration, formatRate } from "../ui/format";
import { Icon } from "../ui/icon";
import type { PageView } from "./view";

/** What is being computed, how far, how fast, how long yet, and Stop. Read out every tenth. @param doing "analysing" */
export function ProgressStrip({ view, doing = "analysing" }: { view: PageView; doing?: string }) {
  const progress = view.progress.value;
  const engine = view.engine.value;
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
      <span class="progress-text">{doing} {percent} %{rate}{left}</span>
      <span class="screen-reader" role="status">{`${doing.charAt(0).toUpperCase()}${doing.slice(1)}, ${percent - (percent % 10)} per cent`}</span>
      <button type="button" class="progress-stop" title="Stop (Esc)" onClick={() => view.stopAnalysis()}>
        <Icon name="debug-stop" /> stop
      </button>
    </div>
  );
}
