/** Which methods are measured side by side: the recipe's own, and any of those that the same models can be merged by. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { MergeOverview } from "../../src/protocol/merge";
import { visibleText } from "../ui/format";
import { Icon } from "../ui/icon";
import type { MergeStore } from "./store";

/** More columns are not read. */
const MOST = 4;

export function MethodMenu({ store, overview }: { store: MergeStore; overview: MergeOverview }) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    if (!open) return;
    const outside = (event: Event): void => { if (!root.current!.contains(event.target as Node)) setOpen(false); };
    document.addEventListener("pointerdown", outside);
    return () => document.removeEventListener("pointerdown", outside);
  }, [open]);
  const [own, ...others] = overview.methods;
  const beside = store.beside.value.filter((method) => others.includes(method));
  if (others.length === 0) return null;
  const toggle = (method: string): void => { store.beside.value = beside.includes(method) ? beside.filter((each) => each !== method) : [...beside, method]; };
  return (
    <span class="merge-methods" ref={root} onKeyDown={(event) => { if (open && event.key === "Escape") { setOpen(false); event.stopPropagation(); } }}>
      <button type="button" class="select merge-methods-button" aria-expanded={open} onClick={() => setOpen(!open)}>
        {[own!, ...beside].map(visibleText).join(" · ")} <Icon name="chevron-down" />
      </button>
      {open && (
        <fieldset class="merge-methods-list">
          <legend>Side by side with {visibleText(own!)}</legend>
          {others.map((method) => (
            <label key={method}><input type="checkbox" checked={beside.includes(method)} disabled={!beside.includes(method) && beside.length >= MOST - 1} onChange={() => toggle(method)} />{visibleText(method)}</label>
          ))}
        </fieldset>
      )}
    </span>
  );
}
