/**
 * Patterns of mapping files: what a star or a group of one side's name stands for is put into the other's. A backslash takes the next
 * character as it is.
 */
import { createContext, Script } from "node:vm";
import { PatternError } from "../pattern";

/** Longer names match no pattern with wildcards. */
const LONGEST_NAME = 10_000;
/** Milliseconds for one pattern on all names of a model; sound ones take microseconds for each. */
const LIMIT = 2000;

/** Files are hostile: a regular expression that backtracks without end is given up. */
const sandbox: { regex: RegExp | null; names: readonly string[]; longest: number } = { regex: null, names: [], longest: LONGEST_NAME };
const context = createContext(sandbox);
const script = new Script("names.map((name) => (name.length > longest ? null : regex.exec(name)))");

export interface NamePattern {
  /** Without wildcards: the one name. */
  exact?: string;
  /**
   * Of each name what the wildcards stand for; null where the pattern does not match all of it.
   * @throws PatternError when that takes too long.
   */
  captures(names: readonly string[]): (string[] | null)[];
}

/** @throws PatternError when it is no valid regular expression. */
export function namePattern(text: string): NamePattern {
  const regex = /^\/(.+)\/$/s.exec(text);
  if (regex !== null) {
    let compiled: RegExp;
    try {
      compiled = new RegExp(`^(?:${regex[1]!})$`, "su");
    } catch (error) {
      throw new PatternError(`the regular expression ${text} is not valid: ${error instanceof Error ? error.message.slice(error.message.lastIndexOf(": ") + 2).toLowerCase() : String(error)}`);
    }
    return { captures: (names) => captured(compiled, text, names) };
  }
  const pieces = text.split(/(\\.|\*+)/s).map((piece) => (piece.startsWith("\\") ? { literal: piece.slice(1) } : piece.startsWith("*") ? { stars: piece } : { literal: piece }));
  if (pieces.every((piece) => "literal" in piece)) {
    const exact = pieces.map(({ literal }) => literal).join("");
    return { exact, captures: (names) => names.map((name) => (name === exact ? [] : null)) };
  }
  const source = pieces.map((piece) => ("stars" in piece ? (piece.stars === "*" ? "([^.]*)" : "(.*)") : piece.literal.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")));
  const compiled = new RegExp(`^${source.join("")}$`, "su");
  return { captures: (names) => captured(compiled, text, names) };
}

function captured(regex: RegExp, text: string, names: readonly string[]): (string[] | null)[] {
  sandbox.regex = regex;
  sandbox.names = names;
  try {
    const found = script.runInContext(context, { timeout: LIMIT }) as (RegExpExecArray | null)[];
    return found.map((match) => (match === null ? null : match.slice(1).map((part: string | undefined) => part ?? "")));
  } catch {
    throw new PatternError(`matching ${text} takes too long; say it in a simpler way`);
  }
}

/**
 * The name that `text` stands for with these captures: its stars in order, or `$1`, `$2` … (`$$` is a dollar sign).
 * @throws PatternError when it asks for more than there are.
 */
export function filledIn(text: string, captures: readonly string[]): string {
  let star = 0;
  const capture = (index: number): string => {
    const found = captures[index];
    if (found === undefined) throw new PatternError(`${text} needs ${index + 1} wildcards on the other side, which has ${captures.length}`);
    return found;
  };
  return text.replace(/\\(.)|\*+|\$(?:(\d{1,2})|\$)/gs, (match, literal: string | undefined, number: string | undefined) => {
    if (literal !== undefined) return literal;
    return match.startsWith("*") ? capture(star++) : number === undefined ? "$" : capture(Number(number) - 1);
  });
}

/** A name as a pattern that means just it. */
export function asPattern(name: string): string {
  return name.replace(/[\\*$]|^\//g, "\\$&");
}
