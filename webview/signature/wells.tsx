/** Wells for the models: click to pick a file, or drop files from the Explorer. */
import { useState } from "preact/hooks";
import type { SignatureSnapshot, Well } from "../../src/protocol/signature";
import { IconButton } from "../ui/button";
import { visibleText } from "../ui/format";
import { Icon } from "../ui/icon";
import type { SignatureStore } from "./store";

const WELLS: readonly { well: Well; title: string; hint: string }[] = [
  { well: "base", title: "Base", hint: "pre-trained model (optional)" },
  { well: "clean", title: "Clean", hint: "fine-tuned on clean data" },
  { well: "robust", title: "Robust", hint: "fine-tuned on corrupted data, one or more" },
];

export function Wells({ store, snapshot: { models } }: { store: SignatureStore; snapshot: SignatureSnapshot }) {
  const filesOf = (well: Well): string[] => (well === "robust" ? models.robust : [models[well]].filter((file) => file !== null));
  return <div class="wells">{WELLS.map((facts) => <ModelWell key={facts.well} store={store} files={filesOf(facts.well)} {...facts} />)}</div>;
}

function ModelWell({ store, well, title, hint, files }: { store: SignatureStore; well: Well; title: string; hint: string; files: readonly string[] }) {
  const [over, setOver] = useState(false);
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    setOver(false);
    const uris = (event.dataTransfer?.getData("text/uri-list") ?? "").split(/\r?\n/).filter((line) => line !== "" && !line.startsWith("#"));
    if (uris.length > 0) store.host.notify("drop", { well, uris });
  };
  const pick = (): void => store.attempt(store.host.call("pick", { well }).then(() => null));
  return (
    <section class={`well${over ? " well-over" : ""}`} aria-label={`${title}: ${hint}`} onDragOver={(event) => { event.preventDefault(); setOver(true); }} onDragLeave={() => setOver(false)} onDrop={drop}>
      <h2>{title}</h2>
      <ul>
        {files.map((file, index) => (
          <li key={file} title={visibleText(file)}>
            <Icon name="file" /><span class="elide-start"><bdi dir="ltr">{visibleText(file.split(/[\\/]/).slice(-2).join("/"))}</bdi></span>
            <IconButton icon="close" label={`Take ${visibleText(file)} out`} onClick={() => store.host.notify("clear", { well, index })} />
          </li>
        ))}
      </ul>
      {(well === "robust" || files.length === 0) && <button type="button" class="well-pick" onClick={pick}><Icon name="add" /> {hint}</button>}
    </section>
  );
}
