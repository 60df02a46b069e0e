/** Python's regular expressions in adapters' configurations. They are hostile: one that backtracks without end is given up. */
import { createContext, Script } from "node:vm";

/** Longest pattern that is tried. */
const MOST_CHARACTERS = 20_000;
/** For one match, and for all slow ones of one configuration, in milliseconds; a sound pattern takes microseconds. */
const LIMIT = 250;
const LIMIT_OF_ALL = 1000;
/** What counts as slow, in milliseconds. */
const SLOW = 5;

/** A pattern that cannot be used; the message says what should stand in its place. */
export class UnusablePattern extends Error {
  constructor(wanted: string) {
    super(wanted);
    this.name = "UnusablePattern";
  }
}

const compiled = new Map<string, RegExp>();
const sandbox: { regex: RegExp | null; text: string } = { regex: null, text: "" };
const context = createContext(sandbox);
const test = new Script("regex.test(text)");
/** Milliseconds that slow matches took, by configuration. */
const spent = new WeakMap<object, number>();

/**
 * Whether `pattern`, in Python's syntax, matches the whole of `text`, as `re.fullmatch` says.
 * @param config the configuration that it stands in, whose patterns share a limit of time.
 * @throws UnusablePattern when it is no regular expression, or takes too long.
 */
export function fullMatch(pattern: string, text: string, config: object): boolean {
  const regex = compile(pattern);
  // Without groups and repetitions nothing can backtrack.
  if (/^(?:\(\.\*\\\.\)\?)?\(?[^()*+?{}]*\)?$/.test(pattern)) return regex.test(text);
  sandbox.regex = regex;
  sandbox.text = text;
  const before = spent.get(config) ?? 0;
  const start = performance.now();
  try {
    if (before < LIMIT_OF_ALL) return test.runInContext(context, { timeout: LIMIT }) === true;
  } catch {
    // Given up, or too large a pattern for the matcher: said below.
  } finally {
    const took = performance.now() - start;
    if (took > SLOW) spent.set(config, before + took);
  }
  throw new UnusablePattern("a regular expression that can be matched in reasonable time");
}

function compile(pattern: string): RegExp {
  let regex = compiled.get(pattern);
  if (regex !== undefined) return regex;
  if (pattern.length > MOST_CHARACTERS) throw new UnusablePattern("a shorter regular expression");
  try {
    regex = new RegExp(`^(?:${inJavaScript(pattern)})$`);
  } catch {
    throw new UnusablePattern("a regular expression");
  }
  if (compiled.size >= 10_000) compiled.clear();
  compiled.set(pattern, regex);
  return regex;
}

/** What the two languages spell differently: named groups, references to them, and the ends of the text. */
function inJavaScript(pattern: string): string {
  return pattern.replace(/\\[\s\S]|\(\?P<|\(\?P=(\w+)\)/g, (found, name: string | undefined) => {
    if (name !== undefined) return `\\k<${name}>`;
    return found === "(?P<" ? "(?<" : found === "\\A" ? "^" : found === "\\Z" ? "$" : found;
  });
}
