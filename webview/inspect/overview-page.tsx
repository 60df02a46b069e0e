/** The model at a glance. */
import { useEffect, useState } from "preact/hooks";
import type { Overview } from "../../src/protocol/inspect";
import { Button, Link } from "../ui/button";
import { formatBytes, formatCount, formatInteger, formatShare, plural, visibleText } from "../ui/format";
import { architectureSource } from "./architecture-source";
import { DepthPlot } from "./depth-plot";
import { DtypeBar } from "./dtype-bar";
import { FindingLine } from "../frame/finding-line";
import { KindTable } from "./kind-table";
import { ParameterMap } from "./parameter-map";
import type { InspectStore } from "./store";

const MOST_FINDINGS = 6;
const MOST_FILES = 8;
const MOST_TIED = 6;
const DRAWN_AT_ONCE = 20_000;

export function OverviewPage({ store }: { store: InspectStore }) {
  const overview = store.overview.value!;
  return (
    <article class="page overview" aria-label="Overview">
      <Figures overview={overview} />
      <Analysis store={store} />
      <Findings store={store} />
      <Charts store={store} />
      <Tied store={store} />
      <Files overview={overview} />
    </article>
  );
}

/** What looks at every tensor: of a very large model it is drawn once the figures are on screen. */
function Charts({ store }: { store: InspectStore }) {
  const [drawn, setDrawn] = useState(store.rows.peek().length <= DRAWN_AT_ONCE);
  useEffect(() => {
    const timer = setTimeout(() => setDrawn(true));
    return () => clearTimeout(timer);
  }, []);
  if (!drawn) return null;
  return (
    <>
      <section class="overview-chart"><DepthPlot store={store} id="by-depth" /></section>
      <KindTable store={store} />
      <ParameterMap store={store} />
    </>
  );
}

function Figures({ overview }: { overview: Overview }) {
  const { architecture, files, parameters, bytes, layers } = overview;
  const missing = files.filter((file) => file.missing === true).length;
  return (
    <section class="key-figures" aria-label="Figures">
      <Figure label="parameters" value={formatCount(parameters)} exact={`${formatInteger(parameters)} parameters`} />
      <Figure label={`${files.length === 1 ? "in 1 file" : `in ${formatInteger(files.length)} shards`}${missing > 0 ? `, ${missing} missing` : ""}`} value={formatBytes(bytes)} exact={`${formatInteger(bytes)} bytes`} />
      <Figure
        label={architecture === null ? "architecture not recognised" : `${visibleText(architecture.name)}, ${architecture.from === "config" ? `says ${architectureSource(overview)}` : "guessed from names"}`}
        value={layers === null ? "no layers" : plural(layers, "layer")}
        exact={architecture === null ? "Neither config.json nor the tensors' names tell" : `Architecture ${visibleText(architecture.name)}, ${architecture.from === "config" ? `from ${architectureSource(overview)}` : "guessed from the tensors' names"}`}
      />
      <DtypeBar dtypes={overview.dtypes} />
    </section>
  );
}

function Figure({ label, value, exact }: { label: string; value: string; exact: string }) {
  return <div class="key-figure" title={exact}><span class="key-figure-value">{value}</span><span class="key-figure-label">{label}</span></div>;
}

/** What analysing will do, or what it has done. */
function Analysis({ store }: { store: InspectStore }) {
  const rows = store.rows.value;
  const results = store.results.value;
  const progress = store.progress.value;
  if (progress?.running === true) return null;
  let open = 0;
  let bytes = 0;
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!;
    if (row.unreadable !== undefined || results.get(i)?.statistics !== undefined) continue;
    open++;
    bytes += row.bytes;
  }
  if (open === 0) {
    return progress !== null && progress.failed.length > 0
      ? <p class="analysis muted">{plural(progress.failed.length, "tensor")} could not be analysed; the table says why.</p>
      : null;
  }
  const engine = store.engine.value;
  const missing = engine.state === "missing";
  return (
    <section class="analysis" aria-label="Analysis">
      <Button icon="play" disabled={missing} onClick={() => store.analyse(["statistics", "norms"])}>Analyse whole model</Button>
      <span class="muted">
        {missing ? "Needs the engine." : `Reads ${plural(open, "tensor")} once (${formatBytes(bytes)}) for exact statistics, row and column norms, and health. Suspicious tensors first; what is computed is kept.`}
      </span>
    </section>
  );
}

function Findings({ store }: { store: InspectStore }) {
  const findings = store.findings.value;
  const shown = findings.filter(({ severity }) => severity !== "info").slice(0, MOST_FINDINGS);
  if (findings.length === 0) return null;
  const rest = findings.length - shown.length;
  return (
    <section aria-labelledby="overview-findings">
      <h2 id="overview-findings">Findings</h2>
      <ul class="findings">{shown.map((finding, i) => <FindingLine key={i} view={store} finding={finding} />)}</ul>
      {rest > 0 && <p class="muted"><Link onClick={() => { store.tab.value = "health"; }}>{shown.length === 0 ? plural(rest, "note") : `${rest} more`}</Link> on the Health page.</p>}
    </section>
  );
}

/** Tensors that are the same bytes under several names. */
function Tied({ store }: { store: InspectStore }) {
  const rows = store.rows.value;
  const tied = rows.filter((row) => row.sharedWith !== undefined);
  if (tied.length === 0) return null;
  return (
    <section aria-labelledby="overview-tied">
      <h2 id="overview-tied">Shared tensors</h2>
      <ul class="plain-list">
        {tied.slice(0, MOST_TIED).map((row) => (
          <li key={row.name}>
            <Link onClick={() => store.selectByName(row.name)}>{visibleText(row.name)}</Link> is also{" "}
            {row.sharedWith!.map((name, i) => <span key={name}>{i > 0 && ", "}<code>{visibleText(name)}</code></span>)} ({formatBytes(row.bytes)} once)
          </li>
        ))}
      </ul>
      {tied.length > MOST_TIED && <p class="muted">and {plural(tied.length - MOST_TIED, "other")}</p>}
    </section>
  );
}

function Files({ overview }: { overview: Overview }) {
  const { files } = overview;
  if (files.length < 2) return null;
  const total = files.reduce((sum, file) => sum + file.bytes, 0);
  return (
    <section aria-labelledby="overview-files">
      <h2 id="overview-files">{plural(files.length, "shard")}</h2>
      <details open={files.length <= MOST_FILES}>
        <summary>{formatBytes(total)} in all</summary>
        <table class="quiet-table">
          <thead><tr><th scope="col">file</th><th scope="col" class="number">bytes</th><th scope="col" class="number">share</th></tr></thead>
          <tbody>
            {files.map((file) => (
              <tr key={file.path}>
                <td title={visibleText(file.path)}>{visibleText(file.path.replace(/^.*[\\/]/, ""))}</td>
                <td class="number" title={formatInteger(file.bytes)}>{file.missing === true ? <span class="finding-error">missing</span> : formatBytes(file.bytes)}</td>
                <td class="number">{file.missing === true ? "" : formatShare(file.bytes / total)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </section>
  );
}
