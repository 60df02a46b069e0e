import type { ComponentChildren, TargetedKeyboardEvent, TargetedPointerEvent } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

const NARROW = 700;
const LEAST = 0.12;
const MOST = 0.8;

/**
 * Two panes with a divider that the pointer and the arrow keys move. Below 700 px of width the first stands above the second.
 * `share` is the first pane's part of the width (or height).
 */
export function Split({ share, onShare, first, second, label }: {
  share: number;
  onShare: (share: number) => void;
  first: ComponentChildren;
  second: ComponentChildren;
  /** Accessible name of the divider. */
  label: string;
}) {
  const root = useRef<HTMLDivElement>(null);
  const [narrow, setNarrow] = useState(false);
  useLayoutEffect(() => {
    const element = root.current!;
    const observer = new ResizeObserver(() => setNarrow(element.clientWidth < NARROW));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const clamp = (value: number): number => Math.min(MOST, Math.max(LEAST, value));
  const onPointerMove = (event: TargetedPointerEvent<HTMLDivElement>): void => {
    if (!event.currentTarget.hasPointerCapture(event.pointerId)) return;
    const box = root.current!.getBoundingClientRect();
    onShare(clamp(narrow ? (event.clientY - box.top) / box.height : (event.clientX - box.left) / box.width));
  };
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>): void => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const step = { ArrowLeft: -0.02, ArrowUp: -0.02, ArrowRight: 0.02, ArrowDown: 0.02 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    onShare(clamp(share + step));
  };
  return (
    <div ref={root} class={narrow ? "split split-narrow" : "split"}>
      <div class="split-pane" style={{ flexBasis: `${100 * share}%` }}>{first}</div>
      <div
        class="split-divider"
        role="separator"
        tabIndex={0}
        aria-label={label}
        aria-orientation={narrow ? "horizontal" : "vertical"}
        aria-valuenow={Math.round(100 * share)}
        aria-valuemin={100 * LEAST}
        aria-valuemax={100 * MOST}
        onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
        onPointerMove={onPointerMove}
        onKeyDown={onKeyDown}
      />
      <div class="split-pane split-rest">{second}</div>
    </div>
  );
}
