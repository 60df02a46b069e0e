/** Passing remarks, and what ends in one: copying, saving, and whatever may fail. */
import { signal, type ReadonlySignal } from "@preact/signals";
import { toWireError } from "../../src/protocol/rpc";
import type { PlotHost } from "../plots/host";
import type { PageView, Remark } from "./view";

const REMARK_MS = 6000;

export interface Remarks extends Pick<PageView, "say" | "copy" | "save"> {
  readonly remark: ReadonlySignal<Remark | null>;
  /** Says what comes of an action: its text when there is one, the reason when it fails; that it was cancelled is not news. */
  attempt(action: Promise<string | null>): void;
  dispose(): void;
}

export function createRemarks(files: PlotHost): Remarks {
  const remark = signal<Remark | null>(null);
  let timer: ReturnType<typeof setTimeout> | undefined;

  function say(text: string, error = false): void {
    clearTimeout(timer);
    remark.value = { text, error };
    timer = setTimeout(() => { remark.value = null; }, REMARK_MS);
  }
  function attempt(action: Promise<string | null>): void {
    action.then(
      (text) => { if (text !== null) say(text); },
      (failure: unknown) => {
        const wire = toWireError(failure);
        if (wire.code !== "cancelled") say(wire.message, true);
      },
    );
  }
  return {
    remark, say, attempt,
    copy(text, what) { attempt(files.copy(text).then(() => `Copied ${what}.`)); },
    save(name, content) { attempt(files.save(name, content, "utf8").then((path) => (path === null ? null : `Saved ${path}.`))); },
    dispose() { clearTimeout(timer); },
  };
}
