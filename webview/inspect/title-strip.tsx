import { useState } from "preact/hooks";
import type { Overview } from "../../src/protocol/inspect";
import { IconButton } from "../ui/button";
import { formatBytes, formatCount, formatInteger, plural, visibleText } from "../ui/format";
import { Icon } from "../ui/icon";
import { Menu } from "../ui/menu";
import { architectureSource } from "./architecture-source";
import type { InspectStore } from "./store";

/** Name and the one-line summary of what is open, and what can be done with it. */
export function TitleStrip({ store, overview, onExport, onHelp }: { store: InspectStore; overview: Overview; onExport: () => void; onHelp: () => void }) {
  const [menu, setMenu] = useState<{ x: number; y: number } | null>(null);
  const dtypes = Object.entries(overview.dtypes).sort((a, b) => b[1].parameters - a[1].parameters).map(([dtype]) => visibleText(dtype));
  const parts: { text: string; title: string }[] = [
    ...(overview.architecture === null ? [] : [{
      text: visibleText(overview.architecture.name),
      title: overview.architecture.from === "config" ? `Architecture, from ${architectureSource(overview)}` : "Architecture, guessed from the tensors' names",
    }]),
    ...(overview.layers === null ? [] : [{ text: plural(overview.layers, "layer"), title: "Repeated layers" }]),
    { text: `${formatCount(overview.parameters)} parameters`, title: `${formatInteger(overview.parameters)} parameters` },
    { text: formatBytes(overview.bytes), title: `${formatInteger(overview.bytes)} bytes` },
    { text: dtypes.slice(0, 3).join(", ") + (dtypes.length > 3 ? ` +${formatCount(dtypes.length - 3)}` : ""), title: `Element types: ${dtypes.join(", ")}` },
  ];
  return (
    <div class="title-line">
      <span class="title-icon"><Icon name="layers" /></span>
      <h1 title={visibleText(overview.path)}>{visibleText(overview.name)}</h1>
      <p class="title-summary">
        {parts.filter(({ text }) => text !== "").map(({ text, title }, i) => (
          <span key={title}>{i > 0 && <span class="title-dot" aria-hidden="true"> · </span>}<span title={title}>{text}</span></span>
        ))}
      </p>
      <span class="title-actions">
        <IconButton icon="refresh" label="Read the file again" onClick={() => store.host.notify("reload", {})} />
        <IconButton icon="export" label="Export this page as a report" onClick={onExport} />
        <IconButton
          icon="ellipsis"
          label="More"
          expanded={menu !== null}
          onClick={(event) => {
            const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
            setMenu({ x: box.right, y: box.bottom + 2 });
          }}
        />
      </span>
      {menu !== null && (
        <Menu
          label="More"
          at={menu}
          onClose={() => setMenu(null)}
          items={[
            { label: "Analyse whole model", run: () => store.analyse(["statistics", "norms"]) },
            { label: "Compute all spectra", run: () => store.analyse(["spectrum"]) },
            { label: "Copy path", separated: true, run: () => store.copy(overview.path, "the path") },
            { label: "Open as text", run: () => store.host.notify("openAsText", {}) },
            { label: "Open as hex", run: () => store.host.notify("openAsHex", {}) },
            { label: "Show log", separated: true, run: () => store.host.notify("showLog", {}) },
            { label: "Restart engine", run: () => store.host.notify("restartEngine", {}) },
            { label: "Keyboard shortcuts", key: "?", separated: true, run: onHelp },
          ]}
        />
      )}
    </div>
  );
}
