/**
 * Patterns over tensor names, for the command line's `--tensor` and the views' filters. Pure; runs in a browser.
 *
 * - `/…/` or `/…/i` is a regular expression, unanchored.
 * - A glob names the whole tensor: `*` any run within a dotted segment, `**` any run across segments, `?` one character
 *   of a segment, `{a,b}` either; a backslash takes the next character literally. As in paths, `**` standing as whole
 *   segments also matches none of them: `model.**.weight` matches `model.weight`.
 * - Text without any of these is the exact name (`"name"`) or a part of it in any case (`"part"`).
 */

export interface Pattern {
  readonly kind: "regex" | "glob" | "plain";
  test(name: string): boolean;
  /** The matched part, half-open in UTF-16 units, for highlighting; null where `test` is false. */
  find(name: string): [number, number] | null;
}

/** The pattern is not well formed; the message is one clause, to stand after what the pattern is for. */
export class PatternError extends Error {
  readonly code = "usage";
  constructor(message: string) {
    super(message);
    this.name = "PatternError";
  }
}

/**
 * Compiles `text`.
 * @param plain what text without wildcards means: the whole name, or a part of it in any case.
 * @throws PatternError for an invalid regular expression or unbalanced braces.
 */
export function compilePattern(text: string, plain: "name" | "part"): Pattern {
  const regex = /^\/(.+)\/(i?)$/s.exec(text);
  if (regex !== null) {
    try {
      return make("regex", new RegExp(regex[1]!, `s${regex[2]!}`));
    } catch (error) {
      throw new PatternError(`the regular expression ${text} is not valid: ${reasonOf(error)}`);
    }
  }
  if (/[*?{\\]/.test(text)) return make("glob", new RegExp(`^${globSource(text)}$`, "su"));
  return plain === "part" ? make("plain", new RegExp(escape(text), "siu")) : make("plain", new RegExp(`^${escape(text)}$`, "su"));
}

function make(kind: Pattern["kind"], regex: RegExp): Pattern {
  return {
    kind,
    test: (name) => regex.test(name),
    find(name) {
      const match = regex.exec(name);
      return match === null ? null : [match.index, match.index + match[0].length];
    },
  };
}

/** The glob as the source of a regular expression. */
function globSource(glob: string): string {
  let source = "";
  let depth = 0;
  for (let i = 0; i < glob.length; i++) {
    const c = glob[i]!;
    if (c === "\\" && i + 1 < glob.length) {
      // Whole code points: half a surrogate pair matches nothing under the u flag.
      const literal = String.fromCodePoint(glob.codePointAt(i + 1)!);
      source += escape(literal);
      i += literal.length;
    } else if (c === "*") {
      let stars = 1;
      while (glob[i + 1] === "*") { stars++; i++; }
      if (stars === 1) {
        source += "[^.]*";
        continue;
      }
      const before = glob[i - stars];
      const first = before === undefined || before === "." || (depth > 0 && (before === "{" || before === ","));
      if (glob[i + 1] === "." && first) {
        source += "(?:.*\\.)?";
        i++;
      } else {
        source += ".*";
      }
    } else if (c === "?") {
      source += "[^.]";
    } else if (c === "{") {
      depth++;
      source += "(?:";
    } else if (c === "}" && depth > 0) {
      depth--;
      source += ")";
    } else if (c === "," && depth > 0) {
      source += "|";
    } else {
      source += escape(c);
    }
  }
  if (depth > 0) throw new PatternError(`the pattern ${glob} has a "{" without its "}"`);
  return source;
}

/** As a literal in a regular expression with the u flag. */
function escape(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

/** The engine's reason without the expression that V8 repeats in front of it. */
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.slice(message.lastIndexOf(": ") + 2).toLowerCase();
}
