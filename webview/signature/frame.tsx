/** Signatures in the frame of all views: wells and signatures on the left, layers, likeness and sizes on the right. */
import { useMemo } from "preact/hooks";
import type { SignatureSnapshot } from "../../src/protocol/signature";
import { writeReport } from "../frame/report";
import { PANEL, Shell } from "../frame/shell";
import { Banner, EngineBanner, LoadingState } from "../frame/states";
import { TitleLine } from "../frame/title-line";
import { IconButton } from "../ui/button";
import { visibleText } from "../ui/format";
import { Split } from "../ui/split";
import { CosineMatrix } from "./cosine-matrix";
import { LayerBars } from "./layer-bars";
import { SignatureList } from "./signature-list";
import { SizeBars } from "./size-bars";
import type { SignatureStore } from "./store";
import { Wells } from "./wells";

const SIDE_SHARE = 0.34;
const KEYS = [["Layers", [["← →", "fewer or more layers, with the bracket's handle focused"], ["Home End", "one layer, all layers"]]]] as const;

export function Frame({ store }: { store: SignatureStore }) {
  const share = store.pageState("sideWidth", SIDE_SHARE);
  const shortcuts = useMemo(() => ({}), []);
  const snapshot = store.snapshot.value;
  if (snapshot === null) return <LoadingState>Starting …</LoadingState>;
  const { models, measured, signatures, comparison, problem, trusted } = snapshot;
  const exportJson = (): void => store.save("signatures.json", JSON.stringify({ models, measured, comparison }, null, 1));
  const ready = models.clean !== null && models.robust.length > 0;
  return (
    <Shell
      view={store}
      doing="working"
      title={(showHelp) => (
        <TitleLine
          icon="shield"
          heading={<h1>Robust Weight Signatures</h1>}
          summary={[{ text: `${signatures.length} ${signatures.length === 1 ? "signature" : "signatures"}`, title: "Signatures made or added" }]}
          actions={<IconButton icon="export" label="Export this page as a report" onClick={() => report(store, snapshot)} />}
          menu={[{ label: "Save all numbers as JSON", run: exportJson }, { label: "Show log", separated: true, run: () => store.showLog() }, { label: "Restart engine", run: () => store.restartEngine() }, { label: "Keyboard shortcuts", key: "?", separated: true, run: showHelp }]}
        />
      )}
      tabs={[{ id: "signatures", label: "Signatures" }]}
      tab="signatures"
      onTab={() => undefined}
      banners={
        <>
          <EngineBanner view={store} />
          {!trusted && <Banner icon="info"><span>Restricted Mode: models are compared, and nothing is written. Trust the workspace to make, apply and remove signatures.</span></Banner>}
          {problem !== null && <Banner icon="warning" alert><span>{visibleText(problem)}</span></Banner>}
        </>
      }
      status={{ how: measured === null ? "" : `${measured.how.method} · ${measured.how.precision} · ${measured.how.backend}` }}
      shortcuts={shortcuts}
      keys={KEYS}
    >
      <Split label="Width of the models" share={share.value} onShare={(next) => { share.value = next; }} first={<div class="signature-side" data-region="tree"><Wells store={store} snapshot={snapshot} /><SignatureList store={store} snapshot={snapshot} /></div>} second={
        <section class="detail page" id={PANEL} role="tabpanel" data-region="detail" tabIndex={0}>
          {measured !== null && <LayerBars store={store} measured={measured} models={models} />}
          {measured === null && <p class="signature-empty">{ready ? (problem === null ? "Measuring the models …" : "") : "Put a clean model and at least one robust model into the wells; the base they were fine-tuned from makes signatures orthogonal to clean fine-tuning."}</p>}
          {comparison !== null && signatures.length > 1 && <CosineMatrix store={store} comparison={comparison} names={signatures.map(({ name }) => name)} />}
          {signatures.length > 0 && <SizeBars store={store} signatures={signatures} />}
        </section>
      } />
    </Shell>
  );
}

/** Asks where to save the page as one HTML file, and says what came of it. */
function report(store: SignatureStore, { models, measured, signatures }: SignatureSnapshot): void {
  const { base, clean, robust } = models;
  const given = (role: string, path: string | null): string[] => (path === null ? [] : [`${role}: ${path}`]);
  writeReport(store.files, {
    name: "signatures",
    subject: "robust weight signatures",
    paths: [...given("base", base), ...given("clean", clean), ...robust.map((path) => `robust: ${path}`)],
    facts: [
      ...(measured === null ? [] : [["computed", `${measured.how.method} · ${measured.how.precision} · ${measured.how.backend}`] as const]),
      ...signatures.map(({ name, path, quantised }) => [name, quantised === null ? path : `${path} (${quantised})`] as const),
    ],
    sentences: measured?.findings.map(({ message }) => message) ?? [],
  }).then(
    (path) => { if (path !== null) store.say(`Saved ${path}.`); },
    (failure: unknown) => store.say(failure instanceof Error ? failure.message : String(failure), true),
  );
}
