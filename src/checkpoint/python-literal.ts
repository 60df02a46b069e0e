/**
 * Python literals as NumPy writes them in array headers: strings, integers, True, False, None, tuples, lists, dicts.
 * Nothing is evaluated; what is not one of these is refused. Grammar: the Python language reference, 2.4 (literals).
 */

/** Tuples and lists are arrays. */
export type PythonLiteral = string | number | boolean | null | PythonLiteral[] | Map<string, PythonLiteral>;

const MAX_DEPTH = 32;

export class LiteralError extends Error {
  /** @param at index of the character that is wrong. */
  constructor(message: string, readonly at: number) {
    super(message);
  }
}

/**
 * Parses one literal and whitespace around it.
 * @throws LiteralError.
 */
export function parseLiteral(text: string): PythonLiteral {
  return new LiteralParser(text).parse();
}

class LiteralParser {
  private at = 0;
  private depth = 0;

  constructor(private readonly text: string) {}

  parse(): PythonLiteral {
    const value = this.value();
    this.skipSpace();
    if (this.at < this.text.length) this.fail("something follows it");
    return value;
  }

  private value(): PythonLiteral {
    this.skipSpace();
    const next = this.text[this.at];
    if (next === undefined) this.fail("it ends early");
    if (next === "{") return this.nested(() => this.dict());
    if (next === "(") return this.nested(() => this.sequence(")"));
    if (next === "[") return this.nested(() => this.sequence("]"));
    if (next === "'" || next === '"') return this.string();
    return this.word();
  }

  private nested<T>(read: () => T): T {
    if (++this.depth > MAX_DEPTH) this.fail(`it is nested deeper than ${MAX_DEPTH} levels`);
    this.at++;
    const value = read();
    this.depth--;
    return value;
  }

  private dict(): Map<string, PythonLiteral> {
    const dict = new Map<string, PythonLiteral>();
    while (!this.closes("}")) {
      this.skipSpace();
      const start = this.at;
      const quoted = this.text[start];
      if (quoted !== "'" && quoted !== '"') this.fail("a key in quotes should be here");
      const key = this.string();
      if (dict.has(key)) this.fail("a key appears twice", start);
      this.skipSpace();
      if (this.text[this.at] !== ":") this.fail("a colon should be here");
      this.at++;
      dict.set(key, this.value());
      this.separator("}");
    }
    return dict;
  }

  /** A parenthesis without a comma is no tuple, but where one is expected Python 2 wrote none either. */
  private sequence(close: ")" | "]"): PythonLiteral[] {
    const items: PythonLiteral[] = [];
    while (!this.closes(close)) {
      items.push(this.value());
      this.separator(close);
    }
    return items;
  }

  /** Whether the closing bracket comes next; then it is read. */
  private closes(close: string): boolean {
    this.skipSpace();
    if (this.text[this.at] !== close) return false;
    this.at++;
    return true;
  }

  private separator(close: string): void {
    this.skipSpace();
    const next = this.text[this.at];
    if (next === ",") this.at++;
    else if (next !== close) this.fail(next === undefined ? "it ends early" : `a comma or ${close} should be here`);
  }

  private string(): string {
    const start = this.at;
    const quoted = this.text[start]!;
    let value = "";
    for (this.at++; ; ) {
      const next = this.text[this.at++];
      if (next === undefined || next === "\n") this.fail("a string does not end", start);
      if (next === quoted) return value;
      value += next === "\\" ? this.escape() : next;
    }
  }

  private escape(): string {
    const letter = this.text[this.at++];
    const simple = letter === undefined ? undefined : ESCAPES.get(letter);
    if (simple !== undefined) return simple;
    const digits = letter === "x" ? 2 : letter === "u" ? 4 : letter === "U" ? 8 : 0;
    const code = this.text.slice(this.at, this.at + digits);
    const value = parseInt(code, 16);
    if (digits === 0 || code.length < digits || !/^[0-9a-fA-F]+$/.test(code) || value > 0x10ffff) this.fail("a string has an escape that is not understood", this.at - 1);
    this.at += digits;
    return String.fromCodePoint(value);
  }

  private word(): PythonLiteral {
    const start = this.at;
    const word = /^[+-]?\w+/.exec(this.text.slice(start, start + 64))?.[0] ?? "";
    this.at += word.length;
    if (word === "True") return true;
    if (word === "False") return false;
    if (word === "None") return null;
    // Python 2 wrote long integers with an L.
    const integer = /^([+-]?(?:0|[1-9]\d*))L?$/.exec(word);
    if (integer !== null) return Number(integer[1]);
    return this.fail("a string, number, tuple, list or dict should be here", start);
  }

  private skipSpace(): void {
    while (/[ \t\r\n\f]/.test(this.text[this.at] ?? "x")) this.at++;
  }

  private fail(message: string, at = this.at): never {
    throw new LiteralError(message, at);
  }
}

const ESCAPES: ReadonlyMap<string, string> = new Map([["\\", "\\"], ["'", "'"], ['"', '"'], ["n", "\n"], ["t", "\t"], ["r", "\r"], ["0", "\0"], ["\n", ""]]);
