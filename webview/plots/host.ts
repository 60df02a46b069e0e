/** What plots ask of the extension: the clipboard and the save dialog. */
import { createContext } from "preact";
import type { InspectHost } from "../../src/protocol/inspect";
import type { Remote } from "../../src/protocol/rpc";

export interface PlotHost {
  copy(text: string): Promise<void>;
  /** Answers the path, or null when the user cancelled. */
  save(name: string, content: string, encoding: "utf8" | "base64"): Promise<string | null>;
}

/** Without a host, plots offer neither copying nor saving. */
export const PlotHostContext = createContext<PlotHost | null>(null);

/** What hosts of all views offer; a typed connection to one is enough. */
type FilesOf<H extends Pick<InspectHost, "copy" | "save">> = Pick<Remote<H>, "call">;

export function plotHost(remote: FilesOf<Pick<InspectHost, "copy" | "save">>): PlotHost {
  return {
    copy: (text) => remote.call("copy", { text }),
    save: async (name, content, encoding) => (await remote.call("save", { name, content, encoding })).path,
  };
}
