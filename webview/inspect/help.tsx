import { useEffect, useRef } from "preact/hooks";
import { IconButton } from "../ui/button";

const KEYS: readonly (readonly [heading: string, keys: readonly (readonly [keys: string, does: string])[]])[] = [
  ["Anywhere", [
    ["/", "filter the tree"],
    ["g o · g t · g h · g s · g r · g m", "Overview · Tensors · Health · Spectra · Ranks (of an adapter) · Metadata"],
    ["Alt ← · Alt →", "back and forward through what was selected"],
    ["F6", "next region: strip, tree, detail, status line"],
    ["Esc", "clear the filter or the comparison; stop the analysis"],
    ["?", "this list"],
  ]],
  ["Tree and table", [
    ["↑ ↓ · Page ↑ ↓ · Home End", "move by row"],
    ["→ ←", "open and close a row, go to its parent; walk its cells"],
    ["Enter", "open the row's page"],
    ["Alt Enter · Alt click", "add to the comparison, or take out"],
    ["letters", "find a row that starts with them"],
    ["s", "sort by the focused column: down, up, file order"],
    ["c", "copy the name, or the focused cell in full"],
    ["*", "open everything below a row"],
    ["Menu · Shift F10", "what else can be done with the row"],
  ]],
  ["Plots", [
    ["← → ↑ ↓", "walk the points; pan a heat map"],
    ["Enter", "select the tensor at the point"],
    ["+ − 0", "zoom a heat map in, out, and back"],
  ]],
];

/** All keys, over the page. */
export function Help({ onClose }: { onClose: () => void }) {
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
        {KEYS.map(([heading, keys]) => (
          <section key={heading}>
            <h3>{heading}</h3>
            <dl>{keys.map(([key, does]) => <div key={key}><dt>{key.split(" · ").map((one, i) => <>{i > 0 && " "}<kbd>{one}</kbd></>)}</dt><dd>{does}</dd></div>)}</dl>
          </section>
        ))}
      </div>
    </dialog>
  );
}
