/** One of a few: `lin | log | density`. A radio group that looks like words in a line. */
import type { JSX, TargetedKeyboardEvent } from "preact";

export interface ChoiceProps<T extends string> {
  /** For screen readers. */
  label: string;
  options: readonly { value: T; text: string; title?: string }[];
  value: T;
  onChange: (value: T) => void;
}

export function Choice<T extends string>({ label, options, value, onChange }: ChoiceProps<T>): JSX.Element {
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLSpanElement>): void => {
    const step = event.key === "ArrowRight" || event.key === "ArrowDown" ? 1 : event.key === "ArrowLeft" || event.key === "ArrowUp" ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    event.stopPropagation();
    const at = options.findIndex((option) => option.value === value);
    const next = (at + step + options.length) % options.length;
    onChange(options[next]!.value);
    (event.currentTarget.children[next] as HTMLElement).focus();
  };
  return (
    <span class="choice" role="radiogroup" aria-label={label} onKeyDown={onKeyDown}>
      {options.map((option) => (
        <button
          key={option.value}
          type="button"
          role="radio"
          aria-checked={option.value === value}
          tabIndex={option.value === value ? 0 : -1}
          title={option.title ?? ""}
          onClick={() => onChange(option.value)}
        >
          {option.text}
        </button>
      ))}
    </span>
  );
}

/** On or off, in the same dress. */
export function Toggle({ text, title, on, onChange }: { text: string; title: string; on: boolean; onChange: (on: boolean) => void }): JSX.Element {
  return (
    <span class="choice">
      <button type="button" aria-pressed={on} title={title} onClick={() => onChange(!on)}>{text}</button>
    </span>
  );
}
