/** Mutations of files: of single bytes, of runs, and of the tokens that a header is made of. */

/** Numbers in [0, n), reproducible from a seed (mulberry32). */
export class Random {
  constructor(private state: number) {}

  below(n: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }
}

const TOKENS = [
  "{", "}", "[", "]", ",", ":", '"', "\\", "0", "-1", "1.5", "1e3", "18446744073709551616", "9007199254740993", "null", "true", "NaN", '""', "[]", "{}", " ", "\n",
  '"dtype"', '"shape"', '"data_offsets"', '"__metadata__"', '"__proto__"', '"F32"', '"F4"', '"F6_E2M3"', '"C64"', '"NEW"', '"\\ud800"', '"\\u0000"', "\u0000", "\u202e",
  '"../x.safetensors"', '"/etc/passwd"', '"weight_map"', '"metadata"', '"total_size"', "[[[[[[[[", '{"a":{"a":{"a":',
];

/** `bytes` with one to four mutations. */
export function mutate(bytes: Uint8Array, random: Random): Uint8Array {
  let result = Buffer.from(bytes);
  for (let n = 1 + random.below(4); n > 0; n--) result = Buffer.from(once(result, random));
  return result;
}

function once(bytes: Buffer, random: Random): Uint8Array {
  const at = random.below(bytes.length + 1);
  const length = random.below(random.of([4, 16, 256]));
  const token = (): Buffer => Buffer.from(random.of(TOKENS));
  const replaced = (start: number, end: number, by: Uint8Array): Uint8Array => Buffer.concat([bytes.subarray(0, start), by, bytes.subarray(end)]);
  switch (random.below(9)) {
    case 0: // A bit.
      return bytes.length === 0 ? bytes : replaced(at % bytes.length, (at % bytes.length) + 1, Uint8Array.of(bytes[at % bytes.length]! ^ (1 << random.below(8))));
    case 1: // A byte.
      return replaced(at, at + 1, Uint8Array.of(random.below(256)));
    case 2: // The end is missing.
      return bytes.subarray(0, at);
    case 3: // A run is missing.
      return replaced(at, at + length, new Uint8Array(0));
    case 4: // A run twice.
      return replaced(at, at, bytes.subarray(at, at + length));
    case 5: // A token more.
      return keepLength(replaced(at, at, token()), random);
    case 6: // A token in the place of a number.
      return keepLength(swapNumber(bytes, at, token(), replaced), random);
    case 7: // The header's length.
      return bytes.length < 8 ? bytes : replaced(random.below(8), 8, Buffer.alloc(8 - random.below(8), random.of([0, 1, 0x7f, 0xff])));
    default: // Rubbish at the end.
      return Buffer.concat([bytes, Buffer.alloc(length, random.below(256))]);
  }
}

function swapNumber(bytes: Buffer, from: number, by: Buffer, replaced: (start: number, end: number, by: Uint8Array) => Uint8Array): Uint8Array {
  const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39;
  let start = from;
  while (start < bytes.length && !isDigit(bytes[start])) start++;
  let end = start;
  while (isDigit(bytes[end])) end++;
  return replaced(start, end, by);
}

/** Half of the time the header's length is set right again, so that mutations get past it. */
function keepLength(bytes: Uint8Array, random: Random): Uint8Array {
  const result = Buffer.from(bytes);
  const end = result.lastIndexOf("}");
  if (end >= 8 && random.below(2) === 0) result.writeBigUInt64LE(BigInt(end + 1 - 8));
  return result;
}
