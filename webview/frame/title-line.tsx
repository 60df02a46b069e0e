import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { IconButton } from "../ui/button";
import { Icon } from "../ui/icon";
import { Menu, type MenuItem } from "../ui/menu";

/** What is open and its one-line summary, the page's actions and the menu of all that can be done. */
export function TitleLine({ icon, heading, summary, actions, menu: items }: {
  icon: string;
  heading: ComponentChildren;
  /** Parts set apart by dots; empty ones are left out. */
  summary: readonly { text: ComponentChildren; title: string }[];
  actions: ComponentChildren;
  menu: readonly MenuItem[];
}) {
  const [menu, setMenu] = useState<{ x: number; y: number } | null>(null);
  return (
    <div class="title-line">
      <span class="title-icon"><Icon name={icon} /></span>
      {heading}
      <p class="title-summary">
        {summary.filter(({ text }) => text !== "").map(({ text, title }, i) => (
          <span key={title}>{i > 0 && <span class="title-dot" aria-hidden="true"> · </span>}<span title={title}>{text}</span></span>
        ))}
      </p>
      <span class="title-actions">
        {actions}
        <IconButton
          icon="ellipsis"
          label="More"
          expanded={menu !== null}
          onClick={(event) => {
            const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
            setMenu({ x: box.right, y: box.bottom + 2 });
          }}
        />
      </span>
      {menu !== null && <Menu label="More" at={menu} onClose={() => setMenu(null)} items={items} />}
    </div>
  );
}
