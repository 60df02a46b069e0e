import { useEffect, useRef } from "preact/hooks";
import { IconButton } from "../ui/button";

/** Headed lists of keys and what they do; several keys for one thing are set apart by ` · `. */
export type KeyList = readonly (readonly [heading: string, keys: readonly (readonly [keys: string, does: string])[]])[];

/** Keys that plots have on every page. */
export const PLOT_KEYS: KeyList[number] = ["Plots", [
  ["← → ↑ ↓", "walk the points; pan a heat map"],
  ["Enter", "select the tensor at the point"],
  ["+ − 0", "zoom a heat map in, out, and back"],
]];

/** All keys, over the page. */
export function Help({ keys: lists, onClose }: { keys: KeyList; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const element = dialog.current!;
    if (!element.open) element.showModal();
  }, []);
  return (
    <dialog
      ref={dialog}
      class="help"
      aria-labelledby="help-title"
      onClose={onClose}
      onClick={(event) => { if (event.target === dialog.current) onClose(); }}
      onKeyDown={(event) => {
        event.stopPropagation();
        if (event.key === "?") onClose();
      }}
    >
      <div class="help-content">
        <header><h2 id="help-title">Keyboard</h2><IconButton icon="close" label="Close" onClick={onClose} /></header>
        {lists.map(([heading, keys]) => (
          <section key={heading}>
            <h3>{heading}</h3>
            <dl>{keys.map(([key, does]) => <div key={key}><dt>{key.split(" · ").map((one, i) => <>{i > 0 && " "}<kbd>{one}</kbd></>)}</dt><dd>{does}</dd></div>)}</dl>
          </section>
        ))}
      </div>
    </dialog>
  );
}
