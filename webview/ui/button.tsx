import type { ComponentChildren } from "preact";
import "./elements";
import { Icon } from "./icon";

/** A push button with words. */
export function Button({ children, icon, secondary = false, disabled = false, title, onClick }: {
  children: ComponentChildren;
  icon?: string;
  secondary?: boolean;
  disabled?: boolean;
  title?: string;
  onClick: () => void;
}) {
  return (
    <vscode-button secondary={secondary} disabled={disabled} {...(title === undefined ? {} : { title })} onClick={onClick}>
      {icon !== undefined && <span slot="content-before" class="button-icon"><Icon name={icon} /></span>}
      {children}
    </vscode-button>
  );
}

/** A flat button that is only an icon; `label` is its tooltip and accessible name. */
export function IconButton({ icon, label, disabled = false, pressed, expanded, onClick }: {
  icon: string;
  label: string;
  disabled?: boolean;
  pressed?: boolean;
  /** For a button that opens a menu. */
  expanded?: boolean;
  onClick: (event: MouseEvent) => void;
}) {
  return (
    <button
      type="button"
      class="icon-button"
      title={label}
      aria-label={label}
      disabled={disabled}
      {...(pressed === undefined ? {} : { "aria-pressed": pressed })}
      {...(expanded === undefined ? {} : { "aria-haspopup": "menu", "aria-expanded": expanded })}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  );
}

/** Text that acts: a tensor's name in a sentence, a path's part. */
export function Link({ children, title, onClick }: { children: ComponentChildren; title?: string; onClick: (event: MouseEvent) => void }) {
  return <button type="button" class="link" {...(title === undefined ? {} : { title })} onClick={onClick}>{children}</button>;
}
