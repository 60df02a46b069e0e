/** Where the writing of the output stands, and what can be done about it. */
import type { ComponentChildren } from "preact";
import type { MergeSnapshot, RunState } from "../../src/protocol/merge";
import { Button, Link } from "../ui/button";
import { formatBytes, formatDuration, formatInteger, formatRate, formatShare, plural, visibleText } from "../ui/format";
import { Icon } from "../ui/icon";
import { Menu } from "../ui/menu";
import { inputLooks } from "./inputs";
import { useState } from "preact/hooks";
import type { MergeStore } from "./store";

export function RunBar({ store, snapshot }: { store: MergeStore; snapshot: MergeSnapshot }) {
  const run = store.run.value;
  const ok = snapshot.status === "ready" && snapshot.overview.plan !== null && !snapshot.overview.problems.some(({ severity }) => severity === "error");
  const refusal = !snapshot.trusted ? "Not in Restricted Mode: trust the workspace to write files." : ok ? undefined : "The recipe has errors.";
  const start = (resume: boolean): void => store.host.notify("run", { resume });
  const runButton = (text: string, resume: boolean, secondary = false): ComponentChildren => (
    <Button icon={resume ? "debug-continue" : "play"} secondary={secondary} disabled={refusal !== undefined} {...(refusal === undefined ? {} : { title: refusal })} onClick={() => start(resume)}>{text}</Button>
  );
  switch (run.state) {
    case "idle":
      return <Bar>{runButton("Run…", false)}<Button secondary icon="graph" disabled={!ok} onClick={() => { store.tab.value = "preview"; store.measure(); }}>Preview</Button>{refusal !== undefined && <span class="muted">{refusal}</span>}</Bar>;
    case "unfinished":
    case "stopped":
      return (
        <Bar role="status">
          <span class="merge-run-text"><Icon name="debug-pause" />{run.state === "stopped" ? "Stopped" : "Unfinished"}: {formatInteger(run.done)} of {plural(run.total, "tensor")} are written to <Place path={run.output} />.</span>
          {runButton("Resume", true)}
          {runButton("Start Anew…", false, true)}
          <Button secondary disabled={!snapshot.trusted} onClick={() => store.host.notify("discard", {})}>Throw Away</Button>
        </Bar>
      );
    case "running":
      return <Running store={store} run={run} />;
    case "done":
      return <Done store={store} snapshot={snapshot} run={run} again={runButton("Run Again…", false, true)} />;
    case "failed":
      return (
        <Bar role="alert">
          <span class="merge-run-text merge-run-failed"><Icon name="error" />{visibleText(run.message)}</span>
          {run.resumable && runButton("Resume", true)}
          {runButton(run.resumable ? "Start Anew…" : "Run Again…", false, run.resumable)}
          {run.resumable && <Button secondary disabled={!snapshot.trusted} onClick={() => store.host.notify("discard", {})}>Throw Away</Button>}
          <Button secondary onClick={() => store.showLog()}>Show Log</Button>
        </Bar>
      );
  }
}

function Running({ store, run }: { store: MergeStore; run: Extract<RunState, { state: "running" }> }) {
  const share = run.totalBytes === 0 ? 0 : run.bytes / run.totalBytes;
  const exact = `${formatInteger(run.done)} of ${formatInteger(run.total)} tensors, ${formatInteger(run.bytes)} of ${formatInteger(run.totalBytes)} bytes`;
  return (
    <div class="merge-running">
      <Bar>
        <span class="merge-run-text" title={exact}>
          <strong>Writing</strong> {formatShare(Math.min(share, 1))} · {formatInteger(run.done)} of {plural(run.total, "tensor")}
          {run.bytesPerSecond > 0 && <> · {formatRate(run.bytesPerSecond)}</>}
          {run.secondsLeft !== null && <> · {formatDuration(run.secondsLeft)} left</>}
        </span>
        <Button secondary icon="debug-stop" onClick={() => store.host.notify("stopRun", {})}>Stop</Button>
      </Bar>
      <progress class="merge-progress" max={1} value={share} aria-label="Share written" />
      <p class="muted merge-current">{run.current === undefined ? <Place path={run.output} /> : visibleText(run.current)}</p>
      <span class="screen-reader" role="status">{Math.floor(share * 10) * 10} per cent written</span>
    </div>
  );
}

function Done({ store, snapshot, run, again }: { store: MergeStore; snapshot: MergeSnapshot; run: Extract<RunState, { state: "done" }>; again: ComponentChildren }) {
  const [menu, setMenu] = useState<{ x: number; y: number } | null>(null);
  const inputs = snapshot.status === "ready" ? inputLooks(snapshot.overview.inputs) : [];
  return (
    <div class="merge-done">
      <Bar role="status">
        <span class="merge-run-text"><Icon name="pass" />Wrote {formatBytes(run.bytes)} in {plural(run.files, "file")}, {formatDuration(run.seconds)}: <Place path={run.output} />.</span>
        <Button icon="search" onClick={() => store.host.notify("inspectResult", {})}>Inspect Result</Button>
        {inputs.length > 0 && (
          <Button secondary icon="diff" onClick={() => {
            const bar = document.querySelector(".merge-done")!.getBoundingClientRect();
            setMenu({ x: bar.left + 160, y: bar.top + 30 });
          }}>Compare with…</Button>
        )}
        {again}
      </Bar>
      {run.notes.map((note, i) => <p key={i} class="finding finding-warning"><span class="codicon codicon-warning" role="img" aria-label="warning" /><span>{visibleText(note)}</span></p>)}
      <p class="muted merge-command">The same from a terminal: <Link title="Copy the command" onClick={() => store.copy(run.command, "the command")}><code>{visibleText(run.command)}</code></Link></p>
      {menu !== null && <Menu label="Compare with" at={menu} onClose={() => setMenu(null)} items={inputs.map(({ name, base }, input) => ({ label: `${name}${base ? " (base)" : ""}`, run: () => store.host.notify("compareResult", { input }) }))} />}
    </div>
  );
}

function Bar({ children, role }: { children: ComponentChildren; role?: "status" | "alert" }) {
  return <div class="merge-bar" {...(role === undefined ? {} : { role })}>{children}</div>;
}

/** The last parts of a long path; the whole of it on hover. */
function Place({ path }: { path: string }) {
  const parts = path.split(/[\\/]/);
  return <span class="merge-path" title={visibleText(path)}>{visibleText(parts.length > 3 ? `…/${parts.slice(-2).join("/")}` : path)}</span>;
}
