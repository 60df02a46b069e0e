/** Command-line arguments: options with values that may be optional, which `node:util`'s parser does not know. */

export interface OptionSpec {
  /** `"optional"`: only as `--name=value`. `"several"`: all that follows up to the next option. */
  value: "none" | "required" | "optional" | "several";
  /** One letter that stands for the name after a single dash; its value follows. */
  short?: string;
  /** May be given several times. */
  many?: true;
  /** Accepted, and not listed by help. */
  hidden?: true;
  /** How help shows it and what it means. */
  usage: string;
  meaning: string;
}

export interface Arguments {
  operands: string[];
  /** Whether the option was given. */
  has(name: string): boolean;
  /** Values in the order given; an option without a value contributes none. */
  values(name: string): string[];
}

/** The command was not understood; the message says what to write instead. */
export class UsageError extends Error {
  readonly code = "usage";
  constructor(message: string) {
    super(message);
    this.name = "UsageError";
  }
}

/**
 * Parses `args`. After `--` everything is an operand.
 * @throws UsageError
 */
export function parseArguments(args: readonly string[], specs: Readonly<Record<string, OptionSpec>>): Arguments {
  const given = new Map<string, string[]>();
  const operands: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === "--") {
      operands.push(...args.slice(i + 1));
      break;
    }
    if (arg === "-" || !arg.startsWith("-")) {
      operands.push(arg);
      continue;
    }
    const [, name = "", inline] = /^--([^=]*)(?:=(.*))?$/s.exec(spelledOut(arg, specs)) ?? [];
    const spec = Object.hasOwn(specs, name) ? specs[name] : undefined;
    if (spec === undefined) throw new UsageError(`unknown option ${arg.split("=")[0]}; see --help`);
    const values = given.get(name) ?? [];
    if (given.has(name) && spec.many !== true && spec.value !== "several") throw new UsageError(`--${name} is given twice`);
    given.set(name, values);
    if (spec.value === "none") {
      if (inline !== undefined) throw new UsageError(`--${name} takes no value`);
    } else if (inline !== undefined) {
      values.push(inline);
    } else if (spec.value === "required") {
      const value = args[++i];
      if (value === undefined || value.startsWith("--")) throw new UsageError(`--${name} needs a value: ${spec.usage}`);
      values.push(value);
    } else if (spec.value === "several") {
      const before = values.length;
      while (i + 1 < args.length && isValue(args[i + 1]!)) values.push(args[++i]!);
      if (values.length === before) throw new UsageError(`--${name} needs a value: ${spec.usage}`);
    }
  }
  return { operands, has: (name) => given.has(name), values: (name) => given.get(name) ?? [] };
}

/** Whether `arg` is one of several values: no option, but perhaps a negative number. */
function isValue(arg: string): boolean {
  return arg === "-" || !arg.startsWith("-") || /^-[\d.]/.test(arg);
}

/** The long form of a short option. */
function spelledOut(arg: string, specs: Readonly<Record<string, OptionSpec>>): string {
  if (arg === "-h") return "--help";
  const name = Object.keys(specs).find((name) => specs[name]!.short !== undefined && arg === `-${specs[name]!.short}`);
  return name === undefined ? arg : `--${name}`;
}
