/** What a command is. Adding one is a module that exports a `Command` and a line in `main.ts`. */
import type { Arguments, OptionSpec } from "./arguments";

export interface Command {
  name: string;
  /** Operands as usage shows them: `"FILE"`. */
  operands: string;
  summary: string;
  options: Readonly<Record<string, OptionSpec>>;
  /** The file that a failure is about when it names none itself. Default: the first operand. */
  about?(args: Arguments): string | undefined;
  /**
   * Does it and answers with its exit status.
   * @throws UsageError, CheckpointError, EngineError …: `main.ts` says it and ends with status 2.
   */
  run(args: Arguments, context: Context): Promise<number>;
}

export interface Context {
  /** Aborted by Ctrl-C. */
  signal: AbortSignal;
  json: boolean;
  /** Writes a line of the engine's log where the user asked for it. */
  log(line: string): void;
  /** Writes to standard output and waits until it is written. */
  write(text: string): Promise<void>;
}
