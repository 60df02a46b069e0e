import type { ComponentChildren, TargetedKeyboardEvent } from "preact";

export interface TabItem<Id extends string> {
  id: Id;
  label: ComponentChildren;
}

/** A row of tabs over one panel (`panelId`); arrow keys move and choose, as in VS Code's own panels. */
export function Tabs<Id extends string>({ label, items, active, panelId, onSelect }: {
  label: string;
  items: readonly TabItem<Id>[];
  active: Id;
  panelId: string;
  onSelect: (id: Id) => void;
}) {
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>): void => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const at = items.findIndex((item) => item.id === active);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: items.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const next = (to + items.length) % items.length;
    onSelect(items[next]!.id);
    (event.currentTarget.children[next] as HTMLElement).focus();
  };
  return (
    <div class="tabs" role="tablist" aria-label={label} onKeyDown={onKeyDown}>
      {items.map(({ id, label }) => (
        <button
          key={id}
          type="button"
          role="tab"
          id={`tab-${id}`}
          class="tab"
          aria-selected={id === active}
          aria-controls={panelId}
          tabIndex={id === active ? 0 : -1}
          onClick={() => onSelect(id)}
        >
          {label}
        </button>
      ))}
    </div>
  );
}
