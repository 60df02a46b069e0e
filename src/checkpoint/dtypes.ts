/** The element types of checkpoint files: their sizes, and which of them the engine decodes. */
import { DTYPES, type Dtype } from "../engine/protocol";

/**
 * Bits per element, in safetensors' spelling (`Dtype::bitsize` of the Rust crate `safetensors` 0.8): the sub-byte floats
 * of the OCP Microscaling Formats specification are packed without gaps.
 */
const BITS: ReadonlyMap<string, number> = new Map([
  ["F4", 4], ["F6_E2M3", 6], ["F6_E3M2", 6],
  ["BOOL", 8], ["U8", 8], ["I8", 8], ["F8_E4M3", 8], ["F8_E5M2", 8], ["F8_E4M3FNUZ", 8], ["F8_E5M2FNUZ", 8], ["F8_E8M0", 8],
  ["U16", 16], ["I16", 16], ["F16", 16], ["BF16", 16],
  ["U32", 32], ["I32", 32], ["F32", 32],
  ["U64", 64], ["I64", 64], ["F64", 64], ["C64", 64],
]);

const DECODED: ReadonlySet<string> = new Set(DTYPES);

/** Bits of one element; undefined for a dtype this version does not know. */
export function bitsOf(dtype: string): number | undefined {
  return BITS.get(dtype);
}

export function isDecodable(dtype: string): dtype is Dtype {
  return DECODED.has(dtype);
}
