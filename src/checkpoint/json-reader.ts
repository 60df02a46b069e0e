/**
 * A pull reader of JSON (RFC 8259) over bytes. Unlike `JSON.parse` it knows the byte it is at, shows every key to the
 * caller (so that duplicates can be refused), keeps integers beyond 2^53, bounds nesting, and builds nothing the caller
 * did not ask for: half a million entries need no intermediate tree.
 */
import { isUtf8 } from "node:buffer";
import { CheckpointError } from "./checkpoint";
import { quote } from "./quote";
import { firstInvalidUtf8 } from "./utf8";

/** As serde_json's, which the reference implementation of safetensors reads headers with. */
const MAX_DEPTH = 128;

const QUOTE = 0x22, COMMA = 0x2c, MINUS = 0x2d, DOT = 0x2e, ZERO = 0x30, NINE = 0x39, COLON = 0x3a;
const OPEN_BRACKET = 0x5b, BACKSLASH = 0x5c, CLOSE_BRACKET = 0x5d, OPEN_BRACE = 0x7b, CLOSE_BRACE = 0x7d;

export interface JsonReaderOptions {
  /** For messages. */
  file: string;
  /** What the bytes are, for messages: `"the header"`. */
  what: string;
  /** Offset in the file of the first byte. */
  base?: number;
  /** Accepts the bare words NaN, Infinity and -Infinity, which Python's json module writes. */
  pythonNumbers?: boolean;
}

/** Plain JSON; integers beyond 2^53 are decimal strings, non-finite numbers `"NaN"`, `"Infinity"`, `"-Infinity"`. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export class JsonReader {
  private readonly bytes: Buffer;
  private at = 0;
  private depth = 0;
  /** Short strings seen before (field names, dtypes), by a hash of a few of their bytes. */
  private readonly seen: ({ start: number; end: number; text: string } | undefined)[] = new Array<undefined>(256).fill(undefined);

  /** @throws CheckpointError `"malformed"` when the bytes are not UTF-8. */
  constructor(bytes: Uint8Array, private readonly options: JsonReaderOptions) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (!isUtf8(this.bytes)) {
      const at = firstInvalidUtf8(this.bytes);
      this.fail(`${options.what} is not UTF-8 at byte ${this.offset(at)}`, at);
    }
  }

  /** Offset in the file of the next byte to be read, past whitespace. */
  position(): number {
    this.skipWhitespace();
    return this.offset(this.at);
  }

  /** Calls `entry` for each key, in order; it must read the value. */
  object(entry: (key: string, keyOffset: number) => void): void {
    this.open(OPEN_BRACE, "an object");
    if (this.peek() === CLOSE_BRACE) this.at++;
    else
      for (;;) {
        if (this.peek() !== QUOTE) this.unexpected("a key in double quotes");
        const start = this.at;
        const key = this.string();
        if (this.peek() !== COLON) this.unexpected("a colon");
        this.at++;
        entry(key, this.offset(start));
        const next = this.peek();
        this.at++;
        if (next === CLOSE_BRACE) break;
        if (next !== COMMA) {
          this.at--;
          this.unexpected("a comma or a closing brace");
        }
      }
    this.depth--;
  }

  /** Calls `element` for each element, in order; it must read the value. */
  array(element: (index: number) => void): void {
    this.open(OPEN_BRACKET, "an array");
    if (this.peek() === CLOSE_BRACKET) this.at++;
    else
      for (let index = 0; ; index++) {
        element(index);
        const next = this.peek();
        this.at++;
        if (next === CLOSE_BRACKET) break;
        if (next !== COMMA) {
          this.at--;
          this.unexpected("a comma or a closing bracket");
        }
      }
    this.depth--;
  }

  /** What the next value is, by its first byte. */
  next(): "object" | "array" | "string" | "other" {
    switch (this.peek()) {
      case OPEN_BRACE:
        return "object";
      case OPEN_BRACKET:
        return "array";
      case QUOTE:
        return "string";
      default:
        return "other";
    }
  }

  /** A string, decoded. Lone surrogates are refused: they have no UTF-8 form. */
  string(): string {
    if (this.peek() !== QUOTE) this.unexpected("a string");
    const { bytes } = this;
    const start = this.at + 1;
    let end = start;
    let plain = true;
    for (;;) {
      const byte = bytes[end];
      if (byte === QUOTE) break;
      if (byte === undefined) this.fail(`${this.options.what} ends inside the string that starts at byte ${this.offset(start - 1)}`, start - 1);
      if (byte < 0x20) this.fail(`${this.options.what} has a raw control character in a string at byte ${this.offset(end)}`, end);
      if (byte === BACKSLASH) {
        plain = false;
        end++;
      } else if (byte >= 0x80) plain = false;
      end++;
    }
    this.at = end + 1;
    return plain ? this.plain(start, end) : this.decoded(start, end);
  }

  /** Whether a non-negative integer without fraction, exponent or leading zero comes next. */
  atInteger(): boolean {
    this.skipWhitespace();
    const { bytes } = this;
    let at = this.at;
    while (isDigit(bytes[at])) at++;
    const after = bytes[at];
    return at > this.at && after !== DOT && after !== 0x65 && after !== 0x45 && (bytes[this.at] !== ZERO || at === this.at + 1);
  }

  /** The integer that `atInteger` saw, exact at any size. */
  integer(): number | bigint {
    const { bytes } = this;
    const start = this.at;
    let at = start;
    let value = 0;
    for (; isDigit(bytes[at]); at++) value = value * 10 + (bytes[at]! - ZERO);
    this.at = at;
    return at - start <= 15 ? value : exactInteger(bytes.toString("latin1", start, at));
  }

  /** Where reading goes on: for `goBackTo`. */
  mark(): number {
    return this.at;
  }

  /** Reads on from a mark that was made inside the same object or array. */
  goBackTo(mark: number): void {
    this.at = mark;
  }

  /** Takes these bytes if they are what comes next, without a look at what they mean. */
  take(literal: Uint8Array): boolean {
    const { bytes, at } = this;
    for (let i = 0; i < literal.length; i++) if (bytes[at + i] !== literal[i]) return false;
    this.at = at + literal.length;
    return true;
  }

  /** Takes an integer of at most 15 digits without a leading zero if one comes next; −1 if none does. */
  takeInteger(): number {
    const { bytes } = this;
    const start = this.at;
    let at = start;
    let value = 0;
    for (; isDigit(bytes[at]); at++) value = value * 10 + (bytes[at]! - ZERO);
    const digits = at - start;
    if (digits === 0 || digits > 15 || (digits > 1 && bytes[start] === ZERO)) return -1;
    this.at = at;
    return value;
  }

  /** Takes a string of ASCII without escapes if one comes next, but for the quote before it; its closing quote too. Null if none does. */
  takePlain(): string | null {
    const { bytes } = this;
    const start = this.at;
    let at = start;
    for (let byte = bytes[at]; byte !== QUOTE; byte = bytes[++at]) if (byte === undefined || byte < 0x20 || byte >= 0x80 || byte === BACKSLASH) return null;
    this.at = at + 1;
    return this.plain(start, at);
  }

  /** Any value, as plain JSON. A key that appears twice is refused. */
  value(): Json {
    switch (this.next()) {
      case "object": {
        const object: { [key: string]: Json } = {};
        this.object((key, offset) => {
          if (Object.hasOwn(object, key)) this.failAt(`the key ${quote(key)} appears twice in ${this.options.what}, again at byte ${offset}`, offset);
          setOwn(object, key, this.value());
        });
        return object;
      }
      case "array": {
        const array: Json[] = [];
        this.array(() => void array.push(this.value()));
        return array;
      }
      case "string":
        return this.string();
      default:
        return this.scalar();
    }
  }

  /** Any value, read and forgotten. */
  skip(): void {
    switch (this.next()) {
      case "object":
        return this.object(() => this.skip());
      case "array":
        return this.array(() => this.skip());
      case "string":
        this.string();
        return;
      default:
        this.scalar();
    }
  }

  /** @throws CheckpointError when anything but whitespace follows. */
  end(): void {
    this.skipWhitespace();
    if (this.at < this.bytes.length) {
      this.fail(`${this.options.what} has ${this.excerpt(this.at)} after its end, at byte ${this.offset(this.at)}`, this.at);
    }
  }

  /** @throws CheckpointError with `message`, which says the place, and the offset of the next value. */
  failHere(message: string, tensor?: string): never {
    this.failAt(message, this.position(), tensor);
  }

  /** @throws CheckpointError with `message`, which says the place. */
  failAt(message: string, offset: number, tensor?: string): never {
    throw new CheckpointError("malformed", message, this.options.file, { ...(tensor === undefined ? {} : { tensor }), offset });
  }

  /** The next value's first characters, for messages. */
  shown(): string {
    this.skipWhitespace();
    return this.excerpt(this.at);
  }

  private scalar(): Json {
    this.skipWhitespace();
    const start = this.at;
    for (const [word, value] of this.options.pythonNumbers === true ? PYTHON_WORDS : WORDS) {
      if (this.bytes[start] === word.charCodeAt(0) && this.bytes.toString("latin1", start, start + word.length) === word) {
        this.at += word.length;
        return value;
      }
    }
    let end = start;
    while (end < this.bytes.length && NUMBER_BYTES.has(this.bytes[end]!)) end++;
    const text = this.bytes.toString("latin1", start, end);
    if (!NUMBER.test(text)) this.unexpected("a value");
    this.at = end;
    const number = Number(text);
    if (!Number.isFinite(number)) return String(number);
    return Number.isInteger(number) && !Number.isSafeInteger(number) && INTEGER.test(text) ? text : number;
  }

  private plain(start: number, end: number): string {
    const { bytes } = this;
    const length = end - start;
    if (length === 0) return "";
    if (length > 16) return bytes.toString("latin1", start, end);
    const slot = (length * 31 + bytes[start]! * 7 + bytes[end - 1]! * 13 + bytes[start + (length >> 1)]!) & 0xff;
    const seen = this.seen[slot];
    if (seen !== undefined && seen.end - seen.start === length) {
      let i = 0;
      while (i < length && bytes[seen.start + i] === bytes[start + i]) i++;
      if (i === length) return seen.text;
    }
    const text = bytes.toString("latin1", start, end);
    this.seen[slot] = { start, end, text };
    return text;
  }

  private decoded(start: number, end: number): string {
    const raw = this.bytes.toString("utf8", start, end);
    let text: string;
    try {
      text = JSON.parse(`"${raw}"`) as string;
    } catch {
      this.fail(`${this.options.what} has an invalid escape in the string at byte ${this.offset(start - 1)}`, start - 1);
    }
    if (/\p{Surrogate}/u.test(text)) this.fail(`${this.options.what} has half a surrogate pair in the string at byte ${this.offset(start - 1)}`, start - 1);
    return text;
  }

  private open(bracket: number, kind: string): void {
    if (this.peek() !== bracket) this.unexpected(kind);
    if (++this.depth > MAX_DEPTH) this.fail(`${this.options.what} is nested deeper than ${MAX_DEPTH} levels at byte ${this.offset(this.at)}`, this.at);
    this.at++;
  }

  private peek(): number {
    this.skipWhitespace();
    return this.bytes[this.at] ?? -1;
  }

  private skipWhitespace(): void {
    const { bytes } = this;
    let at = this.at;
    for (let byte = bytes[at]; byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09; byte = bytes[++at]);
    this.at = at;
  }

  private unexpected(wanted: string): never {
    if (this.at >= this.bytes.length) this.fail(`${this.options.what} ends at byte ${this.offset(this.at)} where ${wanted} should be`, this.at);
    this.fail(`${this.options.what} is not valid JSON: ${wanted} should be at byte ${this.offset(this.at)}, not ${this.excerpt(this.at)}`, this.at);
  }

  private fail(message: string, at: number): never {
    this.failAt(message, this.offset(at));
  }

  private offset(at: number): number {
    return at + (this.options.base ?? 0);
  }

  private excerpt(at: number): string {
    const text = this.bytes.toString("utf8", at, Math.min(at + 96, this.bytes.length));
    const token = /^(?:"(?:[^"\\]|\\.){0,22}"?|[-+.\w]{1,24}|[^]?)/u.exec(text)![0];
    return token.startsWith('"') || /^[-+.\w]+$/.test(token) ? token.replace(/\p{C}/gu, "�") : quote(token);
  }
}

/** Sets an own property whatever its name: `__proto__` is a key like any other. */
export function setOwn<T>(object: Record<string, T>, key: string, value: T): void {
  if (key === "__proto__") Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
  else object[key] = value;
}

const WORDS: readonly (readonly [string, Json])[] = [["true", true], ["false", false], ["null", null]];
const PYTHON_WORDS: typeof WORDS = [...WORDS, ["NaN", "NaN"], ["Infinity", "Infinity"], ["-Infinity", "-Infinity"]];
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const INTEGER = /^-?\d+$/;
const NUMBER_BYTES = new Set([..."0123456789+.eE"].map((c) => c.charCodeAt(0)).concat(MINUS));

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= NINE;
}

function exactInteger(digits: string): number | bigint {
  const value = Number(digits);
  return Number.isSafeInteger(value) ? value : BigInt(digits);
}
