/** Single-key shortcuts and two-key chords (`g` then `o`) of a whole page. */

export interface Shortcuts {
  /** `event.key`, with `Alt+` in front where that is held: `"/"`, `"Alt+ArrowLeft"`, `"g o"`. A handler that does nothing answers false. */
  readonly [keys: string]: () => void | boolean;
}

const CHORD_MS = 1500;

/**
 * Listens on `document` until the answer is called. Keys typed into fields stay there, but for F-keys and those with Alt.
 * Keys that were handled do not reach VS Code.
 */
export function listenForShortcuts(document: Document, shortcuts: Shortcuts): () => void {
  const leaders = new Set(Object.keys(shortcuts).flatMap((keys) => (keys.includes(" ") ? [keys.split(" ")[0]!] : [])));
  let leader: string | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const forget = (): void => {
    leader = null;
    clearTimeout(timer);
  };
  // The second key of a chord belongs to it, whatever has the focus; all others are for the page only when nobody else wants them.
  const onCapture = (event: KeyboardEvent): void => {
    if (leader === null || isModifier(event.key)) return;
    const chord = `${leader} ${event.key}`;
    forget();
    if (Object.hasOwn(shortcuts, chord)) run(event, shortcuts[chord]!);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.isComposing) return;
    if (event.key.length === 1 && !event.altKey && isTyping(event)) return;
    const key = (event.altKey ? "Alt+" : "") + event.key;
    if (leaders.has(key)) {
      leader = key;
      timer = setTimeout(forget, CHORD_MS);
      consume(event);
    } else if (Object.hasOwn(shortcuts, key)) run(event, shortcuts[key]!);
  };
  document.addEventListener("keydown", onCapture, true);
  document.addEventListener("keydown", onKeyDown);
  return () => {
    document.removeEventListener("keydown", onCapture, true);
    document.removeEventListener("keydown", onKeyDown);
    forget();
  };
}

function run(event: KeyboardEvent, action: () => void | boolean): void {
  if (action() !== false) consume(event);
}

function consume(event: KeyboardEvent): void {
  event.preventDefault();
  event.stopPropagation();
}

/** Into a field, also one inside a web component. */
function isTyping(event: KeyboardEvent): boolean {
  const target = event.composedPath()[0];
  return target instanceof HTMLElement && target.matches("input:not([type=checkbox], [type=range]), textarea, select, [contenteditable]");
}

function isModifier(key: string): boolean {
  return key === "Alt" || key === "Shift" || key === "Control" || key === "Meta";
}
