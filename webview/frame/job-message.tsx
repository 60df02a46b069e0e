/** What stands in a panel whose numbers are not there: under way (how long, of how long, Stop), failed (why, Retry), not asked for. */
import { useEffect, useState } from "preact/hooks";
import { Button } from "../ui/button";
import { formatDuration } from "../ui/format";
import type { Job } from "./jobs";

/** Work that ends sooner is not announced: a flash of words is worse than none. */
const PATIENCE_MS = 250;

export function JobMessage({ job, busy, estimate, idle, onRetry, onStop }: {
  job: Job<unknown>;
  busy: string;
  /** Seconds the whole will take. */
  estimate?: number;
  idle?: { text: string; action: string; run: () => void } | undefined;
  onRetry: () => void;
  onStop: () => void;
}) {
  if (job.state === "running") return <Running since={job.since} busy={busy} {...(estimate === undefined ? {} : { estimate })} onStop={onStop} />;
  if (job.state === "failed") {
    return (
      <>
        <span>{job.message}</span>
        {job.code !== "undefined" && <Button secondary onClick={onRetry}>Retry</Button>}
      </>
    );
  }
  if (job.state === "idle" && idle !== undefined) {
    return (
      <>
        <span>{idle.text}</span>
        <Button onClick={idle.run}>{idle.action}</Button>
      </>
    );
  }
  return null;
}

function Running({ since, busy, estimate, onStop }: { since: number; busy: string; estimate?: number; onStop: () => void }) {
  const [now, setNow] = useState(performance.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(performance.now()), 250);
    return () => clearInterval(timer);
  }, []);
  const elapsed = now - since;
  if (elapsed < PATIENCE_MS) return null;
  return (
    <>
      <span>
        {busy} … {formatDuration(elapsed / 1000)}
        {estimate !== undefined && estimate > 1 && ` of about ${formatDuration(estimate)}`}
      </span>
      {estimate !== undefined && estimate > 1 && <progress max={estimate} value={Math.min(0.97 * estimate, elapsed / 1000)} aria-hidden="true" />}
      <Button secondary onClick={onStop}>Stop</Button>
    </>
  );
}
