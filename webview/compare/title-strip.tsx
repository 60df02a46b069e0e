import { shortName } from "../../src/protocol/short-name";
import { TitleLine } from "../frame/title-line";
import { IconButton, Link } from "../ui/button";
import { formatInteger, visibleText } from "../ui/format";
import { pairingText } from "./pairing-text";
import { SideLetter } from "./side-letter";
import type { CompareStore, Opened } from "./store";

/** A ⇄ B, how their tensors were paired, and what can be done. */
export function TitleStrip({ store, opened, onExport, onHelp }: { store: CompareStore; opened: Opened; onExport: () => void; onHelp: () => void }) {
  const { a, b } = opened;
  return (
    <TitleLine
      icon="diff"
      heading={
        <h1 class="compare-names">
          <SideName letter="A" path={a.overview.path} name={shortName(a.overview.path, b.overview.path)} />
          <IconButton icon="arrow-swap" label="Exchange A and B" onClick={() => store.swap()} />
          <SideName letter="B" path={b.overview.path} name={shortName(b.overview.path, a.overview.path)} />
        </h1>
      }
      summary={[{
        text: <Link title="Open the mapping" onClick={() => { store.tab.value = "mapping"; }}>{pairingText(opened)}</Link>,
        title: `How the ${formatInteger(a.table.length)} tensors of A and the ${formatInteger(b.table.length)} of B were paired`,
      }]}
      actions={
        <>
          <IconButton icon="refresh" label="Read both files again" onClick={() => store.host.notify("reload", {})} />
          <IconButton icon="export" label="Export this page as a report" onClick={onExport} />
        </>
      }
      menu={[
        { label: "Compute all differences", run: () => store.analyse(["difference", "structure"]) },
        { label: "Compute all spectra of the change", run: () => store.analyse(["spectrum"]) },
        { label: "Exchange A and B", separated: true, run: () => store.swap() },
        { label: "Inspect A", run: () => store.host.notify("inspect", { side: "a" }) },
        { label: "Inspect B", run: () => store.host.notify("inspect", { side: "b" }) },
        { label: "Copy both paths", run: () => store.copy(`${a.overview.path}\n${b.overview.path}`, "both paths") },
        { label: "Show log", separated: true, run: () => store.showLog() },
        { label: "Restart engine", run: () => store.restartEngine() },
        { label: "Keyboard shortcuts", key: "?", separated: true, run: onHelp },
      ]}
    />
  );
}

function SideName({ letter, path, name }: { letter: "A" | "B"; path: string; name: string }) {
  return <span class="compare-name" title={`${letter}: ${visibleText(path)}`}><SideLetter letter={letter} /> <span class="elide-start"><bdi dir="ltr">{visibleText(name)}</bdi></span></span>;
}
