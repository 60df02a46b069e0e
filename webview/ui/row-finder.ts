import { useRef, useState } from "preact/hooks";

const FORGET_MS = 800;

/**
 * Typing finds a row: the next after `from` whose text starts with what was typed within the last 0.8 s, from the start again at the end.
 * `finding` is true while further letters belong to the search.
 */
export function useRowFinder(text: (row: number) => string, count: number, from: number, go: (row: number) => void): { finding: boolean; find: (key: string) => boolean } {
  const [typed, setTyped] = useState("");
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const find = (key: string): boolean => {
    const wanted = (typed + key).toLowerCase();
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setTyped(""), FORGET_MS);
    setTyped(wanted);
    // The first letter looks further on, the following ones may stay where they are.
    const start = typed === "" ? from + 1 : from;
    for (let i = 0; i < count; i++) {
      const row = (start + i) % count;
      if (!text(row).toLowerCase().startsWith(wanted)) continue;
      go(row);
      break;
    }
    return true;
  };
  return { finding: typed !== "", find };
}
