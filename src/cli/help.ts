/** What `--help` prints. */
import type { OptionSpec } from "./arguments";
import type { Command } from "./command";

export function generalHelp(commands: readonly Command[]): string {
  return [
    "Weight Loupe: what is in a model checkpoint, and is it healthy?",
    "",
    "usage: weight-loupe COMMAND [OPTIONS] …",
    "",
    ...aligned(commands.map(({ name, operands, summary }): [string, string] => [`${name} ${operands}`.trim(), summary])),
    "",
    ...aligned([
      ["COMMAND --help", "the command's options"],
      ["--version", "the version"],
    ]),
    "",
    "Exit status: 0 done, 1 the answer is no, 2 bad usage or unreadable input, 130 interrupted.",
    "",
  ].join("\n");
}

export function commandHelp(command: Command, common: Readonly<Record<string, OptionSpec>>): string {
  return [
    `usage: weight-loupe ${[command.name, command.operands, "[OPTIONS]"].filter((part) => part !== "").join(" ")}`,
    "",
    `${command.summary[0]!.toUpperCase()}${command.summary.slice(1)}.`,
    "",
    ...aligned([...Object.values(command.options), ...Object.values(common)].filter(({ hidden }) => hidden !== true).map(({ usage, meaning }): [string, string] => [usage, meaning])),
    "",
  ].join("\n");
}

function aligned(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
