import type { Overview } from "../../src/protocol/inspect";
import { TitleLine } from "../frame/title-line";
import { IconButton } from "../ui/button";
import { formatBytes, formatCount, formatInteger, plural, visibleText } from "../ui/format";
import { architectureSource } from "./architecture-source";
import type { InspectStore } from "./store";

/** Name and the one-line summary of what is open, and what can be done with it. */
export function TitleStrip({ store, overview, onExport, onHelp }: { store: InspectStore; overview: Overview; onExport: () => void; onHelp: () => void }) {
  const dtypes = Object.entries(overview.dtypes).sort((a, b) => b[1].parameters - a[1].parameters).map(([dtype]) => visibleText(dtype));
  return (
    <TitleLine
      icon="layers"
      heading={<h1 title={visibleText(overview.path)}>{visibleText(overview.name)}</h1>}
      summary={[
        ...(overview.architecture === null ? [] : [{
          text: visibleText(overview.architecture.name),
          title: overview.architecture.from === "config" ? `Architecture, from ${architectureSource(overview)}` : "Architecture, guessed from the tensors' names",
        }]),
        ...(overview.layers === null ? [] : [{ text: plural(overview.layers, "layer"), title: "Repeated layers" }]),
        { text: `${formatCount(overview.parameters)} parameters`, title: `${formatInteger(overview.parameters)} parameters` },
        { text: formatBytes(overview.bytes), title: `${formatInteger(overview.bytes)} bytes` },
        { text: dtypes.slice(0, 3).join(", ") + (dtypes.length > 3 ? ` +${formatCount(dtypes.length - 3)}` : ""), title: `Element types: ${dtypes.join(", ")}` },
      ]}
      actions={
        <>
          <IconButton icon="refresh" label="Read the file again" onClick={() => store.host.notify("reload", {})} />
          <IconButton icon="export" label="Export this page as a report" onClick={onExport} />
        </>
      }
      menu={[
        { label: "Analyse whole model", run: () => store.analyse(["statistics", "norms"]) },
        { label: "Compute all spectra", run: () => store.analyse(["spectrum"]) },
        { label: "Copy path", separated: true, run: () => store.copy(overview.path, "the path") },
        { label: "Open as text", run: () => store.host.notify("openAsText", {}) },
        { label: "Open as hex", run: () => store.host.notify("openAsHex", {}) },
        { label: "Show log", separated: true, run: () => store.showLog() },
        { label: "Restart engine", run: () => store.restartEngine() },
        { label: "Keyboard shortcuts", key: "?", separated: true, run: onHelp },
      ]}
    />
  );
}
