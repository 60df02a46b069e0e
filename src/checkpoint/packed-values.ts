/** Elements narrower than a byte, packed low bits first: what they become so that the engine reads them. */

interface Unpacking {
  /** Bits of one packed element. */
  bits: 2 | 4 | 6;
  /** Of the decoded values. */
  dtype: "I8" | "U8" | "F32";
  /** The value of each code. */
  values: readonly number[];
}

/** A float of the OCP Microscaling Formats specification: sign, exponent and mantissa, without infinities and NaNs. */
function miniature(exponentBits: number, mantissaBits: number, bias: number): number[] {
  return Array.from({ length: 2 ** (1 + exponentBits + mantissaBits) }, (_, code) => {
    const mantissa = (code % 2 ** mantissaBits) / 2 ** mantissaBits;
    const exponent = Math.floor(code / 2 ** mantissaBits) % 2 ** exponentBits;
    const magnitude = exponent === 0 ? mantissa * 2 ** (1 - bias) : (1 + mantissa) * 2 ** (exponent - bias);
    return code >= 2 ** (exponentBits + mantissaBits) ? -magnitude : magnitude;
  });
}

const integers = (bits: number, isSigned: boolean): number[] => Array.from({ length: 2 ** bits }, (_, code) => (isSigned && code >= 2 ** (bits - 1) ? code - 2 ** bits : code));

/** Decoded type and values of each packed type. */
export const UNPACKED: ReadonlyMap<string, Unpacking> = new Map([
  ["I2", { bits: 2, dtype: "I8", values: integers(2, true) }],
  ["U2", { bits: 2, dtype: "U8", values: integers(2, false) }],
  ["I4", { bits: 4, dtype: "I8", values: integers(4, true) }],
  ["U4", { bits: 4, dtype: "U8", values: integers(4, false) }],
  ["F4", { bits: 4, dtype: "F32", values: miniature(2, 1, 1) }],
  ["F6_E2M3", { bits: 6, dtype: "F32", values: miniature(2, 3, 1) }],
  ["F6_E3M2", { bits: 6, dtype: "F32", values: miniature(3, 2, 3) }],
] as const);

/**
 * The first `count` elements packed in `bytes`, in their decoded type, little endian.
 * @param bytes enough for them.
 */
export function unpack({ bits, dtype, values }: Unpacking, bytes: Uint8Array, count: number): Buffer {
  const width = dtype === "F32" ? 4 : 1;
  const result = Buffer.alloc(width * count);
  const mask = (1 << bits) - 1;
  for (let i = 0; i < count; i++) {
    const at = (i * bits) >> 3;
    const code = ((bytes[at]! | ((bytes[at + 1] ?? 0) << 8)) >> ((i * bits) & 7)) & mask;
    if (dtype === "F32") result.writeFloatLE(values[code]!, 4 * i);
    else result[i] = values[code]!;
  }
  return result;
}
