/** Protocol 0 writes values as text; here is what each line means. Null when it means nothing. */

/** As many digits as Python converts (`sys.int_info.default_max_str_digits`). */
const MAX_DIGITS = 4300;

/** Bytes of a binary integer: as many as 4300 digits take. */
const MAX_LONG_BYTES = 1786;

/** `I` and `L` lines: decimal digits, perhaps with an L after them; `00` and `01` are False and True. */
export function integerLine(text: string): number | bigint | boolean | null {
  if (text === "00" || text === "01") return text === "01";
  if (!/^[+-]?\d+L?$/.test(text) || text.length > MAX_DIGITS) return null;
  return narrowed(BigInt(text.replace("L", "").replace("+", "")));
}

/** `F` lines: Python's repr of a float. */
export function floatLine(text: string): number | null {
  const special = /^([+-]?)(inf|nan)$/i.exec(text);
  if (special !== null) return special[2]!.toLowerCase() === "nan" ? Number.NaN : special[1] === "-" ? -Infinity : Infinity;
  return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text) ? Number(text) : null;
}

const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\", "'": "'", '"': '"', n: "\n", t: "\t", r: "\r", a: "\x07", b: "\b", f: "\f", v: "\v" };

/** `S` lines: Python's repr of a byte string, decoded as UTF-8 (torch.load's default). */
export function stringLine(text: string): string | null {
  const quoted = /^(['"])(.*)\1$/s.exec(text);
  if (quoted === null) return null;
  const latin1 = quoted[2]!.replace(/\\(x[0-9a-fA-F]{2}|[0-7]{1,3}|[\s\S])/g, (whole: string, escape: string) => {
    if (/^x[0-9a-f]{2}$/i.test(escape)) return String.fromCharCode(parseInt(escape.slice(1), 16));
    if (/^[0-7]/.test(escape)) return String.fromCharCode(parseInt(escape, 8) & 0xff);
    return escape === "\n" ? "" : (ESCAPES[escape] ?? whole);
  });
  return Buffer.from(latin1, "latin1").toString("utf8");
}

/** `V` lines: raw-unicode-escape, in which only \uXXXX and \UXXXXXXXX are escapes. */
export function unicodeLine(text: string): string {
  return text.replace(/(?<!\\)((?:\\\\)*)\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/g, (whole: string, before: string, short?: string, long?: string) => {
    const code = parseInt(short ?? long!, 16);
    return code > 0x10ffff ? whole : before + String.fromCodePoint(code);
  });
}

/** `LONG1` and `LONG4`: two's complement, little endian. */
export function binaryInteger(bytes: Uint8Array): number | bigint | null {
  if (bytes.length === 0) return 0;
  if (bytes.length > MAX_LONG_BYTES) return null;
  const hex = Buffer.from(Uint8Array.from(bytes).reverse()).toString("hex");
  return narrowed(BigInt.asIntN(8 * bytes.length, BigInt(`0x${hex}`)));
}

function narrowed(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
