/** Filters of parameters over tensor names. Recipes come from anywhere: no filter takes more than time linear in the name's length. */
import { RE2JS, RE2JSException, RE2JSSyntaxException } from "re2js";
import type { Filter } from "./recipe";

/** Characters of a regular expression that messages show. */
const LONGEST_SHOWN = 60;

/** The filter is not well formed; the message is one clause. */
export class FilterError extends Error {}

/**
 * - `*` alone matches all.
 * - `/…/` or `/…/i` is a regular expression in RE2's syntax, unanchored (an extension).
 * - Text with `*`, `?` or `{a,b}` is a glob over the whole name, in which `*` also crosses dots (an extension).
 * - Other text is a part of the name, as in mergekit; case counts.
 * @throws FilterError
 */
export function compileFilter(text: string): Filter {
  if (text === "*") return { text, matches: () => true };
  const expression = /^\/(.+)\/(i?)$/s.exec(text);
  if (expression !== null) return fromRegex(text, expression[1]!, expression[2] === "i" ? RE2JS.CASE_INSENSITIVE : 0);
  if (/[*?{]/.test(text)) return fromRegex(text, `^${globSource(text)}$`, RE2JS.DOTALL);
  return { text, matches: (tensor) => tensor.includes(text) };
}

function fromRegex(text: string, source: string, flags: number): Filter {
  let regex: RE2JS;
  try {
    regex = RE2JS.compile(source, flags);
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    throw new FilterError(sentence(error));
  }
  return { text, matches: (tensor) => regex.test(tensor) };
}

/** What is wrong with a regular expression. */
function sentence(error: RE2JSException): string {
  if (!(error instanceof RE2JSSyntaxException)) return `the regular expression cannot be used: ${error.message}`;
  const [what, where] = [error.getDescription(), error.getPattern()];
  if (where === null) return `the regular expression is not valid: ${what}`;
  // With its backslashes as they are written.
  const shown = `"${where.slice(0, LONGEST_SHOWN).replace(/\p{C}/gu, "\ufffd")}${where.length > LONGEST_SHOWN ? "…" : ""}"`;
  // Assertions about what is around, and references to groups.
  if (/^(?:\(\?<?[=!]|\\(?:[1-9]|k<))/.test(where)) return `regular expressions have no ${shown} here: it cannot be matched in linear time`;
  return `the regular expression is not valid: ${what} ${shown}`;
}

function globSource(glob: string): string {
  let source = "";
  let depth = 0;
  for (const c of glob) {
    if (c === "*") source += source.endsWith(".*") ? "" : ".*";
    else if (c === "?") source += "[^.]";
    else if (c === "{") {
      depth++;
      source += "(?:";
    } else if (c === "}" && depth > 0) {
      depth--;
      source += ")";
    } else if (c === "," && depth > 0) source += "|";
    else source += c.replace(/[\\^$.*+?()[\]{}|/]/, "\\$&");
  }
  if (depth > 0) throw new FilterError('it has a "{" without its "}"');
  return source;
}
