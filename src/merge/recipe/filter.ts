/** Filters of parameters over tensor names. */
import type { Filter } from "./recipe";

/** The filter is not well formed; the message is one clause. */
export class FilterError extends Error {}

/**
 * - `*` alone matches all.
 * - `/…/` or `/…/i` is a regular expression, unanchored (an extension).
 * - Text with `*`, `?` or `{a,b}` is a glob over the whole name, in which `*` also crosses dots (an extension).
 * - Other text is a part of the name, as in mergekit; case counts.
 * @throws FilterError
 */
export function compileFilter(text: string): Filter {
  if (text === "*") return { text, matches: () => true };
  const expression = /^\/(.+)\/(i?)$/s.exec(text);
  if (expression !== null) return fromRegex(text, () => new RegExp(expression[1]!, expression[2]));
  if (/[*?{]/.test(text)) return fromRegex(text, () => new RegExp(`^${globSource(text)}$`, "s"));
  return { text, matches: (tensor) => tensor.includes(text) };
}

function fromRegex(text: string, make: () => RegExp): Filter {
  let regex: RegExp;
  try {
    regex = make();
  } catch (error) {
    if (error instanceof FilterError) throw error;
    const { message } = error as Error;
    throw new FilterError(`the regular expression is not valid: ${message.slice(message.lastIndexOf(": ") + 2).toLowerCase()}`);
  }
  return { text, matches: (tensor) => regex.test(tensor) };
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
