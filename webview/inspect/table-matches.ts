/** Searching lists of strings that the host keeps (a tokenizer's vocabulary): only what matches is sent to the page. */
import { useEffect, useState } from "preact/hooks";
import type { TableMatches } from "../../src/protocol/inspect";
import type { InspectStore } from "./store";

/** Matches of one list on screen. */
export const MOST_MATCHES = 50;

/** Typing is waited for. */
const PAUSE_MS = 150;

/**
 * What matches `text` in each of the lists `keys`; empty while `text` is, and until the host has answered. A list whose search
 * failed is left out: its ends are still searched on the page.
 */
export function useTableMatches(store: InspectStore, keys: readonly string[], text: string): ReadonlyMap<string, TableMatches> {
  const [found, setFound] = useState<{ text: string; matches: ReadonlyMap<string, TableMatches> }>({ text: "", matches: new Map() });
  const joined = keys.join("\n");
  useEffect(() => {
    if (text === "" || keys.length === 0) return;
    const search = new AbortController();
    const timer = setTimeout(() => {
      const asked = keys.map(async (key) => [key, await store.host.call("searchTable", { key, text, limit: MOST_MATCHES }, search.signal)] as const);
      void Promise.allSettled(asked).then((answers) => {
        if (search.signal.aborted) return;
        setFound({ text, matches: new Map(answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []))) });
      });
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      search.abort();
    };
  }, [store, joined, text]);
  return found.text === text ? found.matches : NONE;
}

const NONE: ReadonlyMap<string, TableMatches> = new Map();
