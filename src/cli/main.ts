/** The command line's entry: picks the command, and says how it ended. */
import { setMaxListeners } from "node:events";
import { version } from "../../package.json";
import { parseArguments, UsageError, type OptionSpec } from "./arguments";
import type { Command } from "./command";
import { compare } from "./compare";
import { convert } from "./convert";
import { engine } from "./engine";
import { explain } from "./explain";
import { describeFailure, Exit, failureLine } from "./failure";
import { commandHelp, generalHelp } from "./help";
import { inspect } from "./inspect";
import { merge } from "./merge";
import { methods } from "./methods";
import { rank } from "./rank";
import { relations } from "./relations";
import { shownFrom } from "./paths";
import { signature } from "./signature";

const COMMANDS: readonly Command[] = [inspect, convert, compare, explain, relations, rank, signature, merge, methods, engine];

/** Options of every command. */
const COMMON: Readonly<Record<string, OptionSpec>> = {
  json: { value: "none", usage: "--json", meaning: "one JSON document on standard output" },
  verbose: { value: "none", usage: "--verbose", meaning: "the engine's log, and stack traces, on standard error" },
  help: { value: "none", usage: "--help", meaning: "this text" },
};

/** After Ctrl-C the work has this long to end by itself. */
const GRACE_MS = 500;

async function main(argv: readonly string[]): Promise<number> {
  // Needed before the arguments are understood: also what is wrong with them is said as asked.
  const flags = argv.slice(0, argv.includes("--") ? argv.indexOf("--") : undefined);
  const json = flags.includes("--json");
  const verbose = flags.includes("--verbose");
  const interrupt = new AbortController();
  // Every request under way listens for Ctrl-C.
  setMaxListeners(0, interrupt.signal);
  process.once("SIGINT", () => {
    interrupt.abort();
    setTimeout(() => process.exit(Exit.interrupted), GRACE_MS).unref();
  });
  let operand: string | undefined;
  try {
    const at = argv.findIndex((arg) => arg !== "--json" && arg !== "--verbose");
    const name = at === -1 ? undefined : argv[at];
    const rest = argv.filter((_, i) => i !== at);
    if (name === undefined) throw new UsageError(`no command is given: ${COMMANDS.map((command) => command.name).join(", ")}; see --help`);
    if (name === "--help" || name === "-h" || name === "help") return await print(generalHelp(COMMANDS));
    if (name === "--version") return await print(`weight-loupe ${version}\n`);
    const command = COMMANDS.find((candidate) => candidate.name === name);
    if (command === undefined) throw new UsageError(`there is no command ${JSON.stringify(name)}; there are ${COMMANDS.map(({ name }) => name).join(", ")}`);
    const args = parseArguments(rest, { ...command.options, ...COMMON });
    if (args.has("help")) return await print(commandHelp(command, COMMON));
    operand = command.about === undefined ? args.operands[0] : command.about(args);
    return await command.run(args, { signal: interrupt.signal, json, write, log: verbose ? (line) => process.stderr.write(`${line}\n`) : () => undefined });
  } catch (error) {
    if (interrupt.signal.aborted) return Exit.interrupted;
    const failure = describeFailure(error, operand, operand === undefined ? (path) => path : shownFrom(operand));
    if (json) await write(`${JSON.stringify({ error: failure })}\n`);
    if (verbose && error instanceof Error) process.stderr.write(`${error.stack}\n`);
    process.stderr.write(`${failureLine(failure)}\n`);
    return Exit.failed;
  }
}

async function print(text: string): Promise<number> {
  await write(text);
  return Exit.done;
}

function write(text: string): Promise<void> {
  return new Promise((resolve, reject) => process.stdout.write(text, (error) => (error ? reject(error) : resolve())));
}

// The reader of a pipe has had enough (`… | head`): nobody is left to tell.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(Exit.done);
});

void main(process.argv.slice(2)).then((status) => {
  process.exitCode = status;
});
