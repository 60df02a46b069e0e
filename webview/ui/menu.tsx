import type { TargetedKeyboardEvent } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { Icon } from "./icon";

export interface MenuItem {
  label: string;
  /** Shown at the right: the key that does the same. */
  key?: string;
  /** For an item that is on or off. */
  checked?: boolean;
  disabled?: boolean;
  /** Draws a line above. */
  separated?: boolean;
  /** The menu stays open, so that several may be toggled. */
  stay?: boolean;
  run: () => void;
}

/** A menu at a point of the window, kept inside it. Focus goes back to where it was when it closes. */
export function Menu({ label, items, at, onClose }: {
  label: string;
  items: readonly MenuItem[];
  at: { x: number; y: number };
  onClose: () => void;
}) {
  const root = useRef<HTMLDivElement>(null);
  const [place, setPlace] = useState(at);
  useLayoutEffect(() => {
    const before = document.activeElement;
    const element = root.current!;
    const { width, height } = element.getBoundingClientRect();
    setPlace({ x: Math.max(4, Math.min(at.x, innerWidth - width - 4)), y: Math.max(4, Math.min(at.y, innerHeight - height - 4)) });
    element.querySelector<HTMLElement>("button:not(:disabled)")?.focus();
    const closeOutside = (event: Event): void => { if (!element.contains(event.target as Node)) onClose(); };
    document.addEventListener("pointerdown", closeOutside, true);
    window.addEventListener("blur", onClose);
    return () => {
      document.removeEventListener("pointerdown", closeOutside, true);
      window.removeEventListener("blur", onClose);
      if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
    };
  }, []);
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>): void => {
    event.stopPropagation();
    if (event.key === "Escape" || event.key === "Tab") {
      event.preventDefault();
      onClose();
      return;
    }
    const buttons = [...event.currentTarget.querySelectorAll<HTMLElement>("button:not(:disabled)")];
    const now = buttons.indexOf(document.activeElement as HTMLElement);
    const letter = event.key.length === 1 && event.key !== " " ? event.key.toLowerCase() : null;
    const after = [...buttons.slice(now + 1), ...buttons.slice(0, now + 1)];
    const next = letter !== null
      ? after.find((button) => button.textContent?.trim().toLowerCase().startsWith(letter))
      : { ArrowDown: buttons[(now + 1) % buttons.length], ArrowUp: buttons.at(now - 1), Home: buttons[0], End: buttons.at(-1) }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    next.focus();
  };
  return (
    <div ref={root} class="menu" role="menu" aria-label={label} style={{ left: `${place.x}px`, top: `${place.y}px` }} onKeyDown={onKeyDown}>
      {items.map((item) => (
        <button
          key={item.label}
          type="button"
          class={item.separated === true ? "menu-item menu-separated" : "menu-item"}
          disabled={item.disabled ?? false}
          {...(item.checked === undefined ? { role: "menuitem" } : { role: "menuitemcheckbox", "aria-checked": item.checked })}
          onPointerEnter={(event) => event.currentTarget.focus()}
          onClick={() => {
            if (item.stay !== true) onClose();
            item.run();
          }}
        >
          <span class="menu-check">{item.checked === true && <Icon name="check" />}</span>
          <span>{item.label}</span>
          <span class="menu-key">{item.key}</span>
        </button>
      ))}
    </div>
  );
}
