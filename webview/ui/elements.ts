/** The @vscode-elements components that the views use, registered and typed for JSX. */
import "@vscode-elements/elements/dist/vscode-badge/index.js";
import "@vscode-elements/elements/dist/vscode-button/index.js";
import "@vscode-elements/elements/dist/vscode-checkbox/index.js";
import "@vscode-elements/elements/dist/vscode-textfield/index.js";
import type { HTMLAttributes } from "preact";

interface ButtonAttributes extends HTMLAttributes<HTMLElement> {
  secondary?: boolean;
  disabled?: boolean;
}
interface CheckboxAttributes extends HTMLAttributes<HTMLElement> {
  label?: string;
  checked?: boolean;
}
interface TextFieldAttributes extends HTMLAttributes<HTMLElement> {
  /** Accessible name. */
  label?: string;
  value?: string;
  placeholder?: string;
  invalid?: boolean;
}
interface BadgeAttributes extends HTMLAttributes<HTMLElement> {
  variant?: "default" | "counter" | "activity-bar-counter";
}

declare module "preact" {
  namespace JSX {
    interface IntrinsicElements {
      "vscode-badge": BadgeAttributes;
      "vscode-button": ButtonAttributes;
      "vscode-checkbox": CheckboxAttributes;
      "vscode-textfield": TextFieldAttributes;
    }
  }
}
