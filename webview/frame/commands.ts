/** Commands of the palette and of VS Code's menus that act on the view; the frame says what they do once it is drawn. */
import type { ViewCommand } from "../../src/protocol/inspect";

export interface Commands {
  run(name: ViewCommand): void;
  /** Sets what the commands do; one that came before is run now. */
  bind(actions: Record<ViewCommand, () => void>): void;
}

export function createCommands(): Commands {
  let actions: Record<ViewCommand, () => void> | null = null;
  const early: ViewCommand[] = [];
  return {
    run(name) {
      if (actions === null) early.push(name);
      else if (Object.hasOwn(actions, name)) actions[name]();
    },
    bind(bound) {
      actions = bound;
      for (const name of early.splice(0)) this.run(name);
    },
  };
}
