/** Commands of the palette and of VS Code's menus that act on the view; the frame says what they do once it is drawn. */
import type { InspectView } from "../../src/protocol/inspect";

export type CommandName = Parameters<InspectView["command"]>[0]["name"];

export interface Commands {
  run(name: CommandName): void;
  /** Sets what the commands do; one that came before is run now. */
  bind(actions: Record<CommandName, () => void>): void;
}

export function createCommands(): Commands {
  let actions: Record<CommandName, () => void> | null = null;
  const early: CommandName[] = [];
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
