/** GGUF's tensor types: `enum ggml_type` of ggml.h, with the block sizes of ggml-common.h. */
import type { BlockType, Dtype } from "../engine/protocol";

export interface GgufType {
  /** GGUF's name; for plain types safetensors' spelling, which is the same. */
  name: string;
  /** Elements in a block; 1 for plain types. */
  elements: number;
  /** Bytes of a block, or of an element. */
  bytes: number;
  /** What the engine decodes it as. */
  stored: { dtype: Dtype } | { block: BlockType };
}

const plain = (dtype: Dtype, bytes: number): GgufType => ({ name: dtype, elements: 1, bytes, stored: { dtype } });
const blocks = (block: BlockType, elements: number, bytes: number): GgufType => ({ name: block, elements, bytes, stored: { block } });

const TYPES: ReadonlyMap<number, GgufType> = new Map([
  [0, plain("F32", 4)],
  [1, plain("F16", 2)],
  [2, blocks("Q4_0", 32, 18)],
  [3, blocks("Q4_1", 32, 20)],
  [6, blocks("Q5_0", 32, 22)],
  [7, blocks("Q5_1", 32, 24)],
  [8, blocks("Q8_0", 32, 34)],
  // gguf-py's table says 40: it dates from when scale and sum were f32.
  [9, blocks("Q8_1", 32, 36)],
  [10, blocks("Q2_K", 256, 84)],
  [11, blocks("Q3_K", 256, 110)],
  [12, blocks("Q4_K", 256, 144)],
  [13, blocks("Q5_K", 256, 176)],
  [14, blocks("Q6_K", 256, 210)],
  [15, blocks("Q8_K", 256, 292)],
  [16, blocks("IQ2_XXS", 256, 66)],
  [17, blocks("IQ2_XS", 256, 74)],
  [18, blocks("IQ3_XXS", 256, 98)],
  [19, blocks("IQ1_S", 256, 50)],
  [20, blocks("IQ4_NL", 32, 18)],
  [21, blocks("IQ3_S", 256, 110)],
  [22, blocks("IQ2_S", 256, 82)],
  [23, blocks("IQ4_XS", 256, 136)],
  [24, plain("I8", 1)],
  [25, plain("I16", 2)],
  [26, plain("I32", 4)],
  [27, plain("I64", 8)],
  [28, plain("F64", 8)],
  [29, blocks("IQ1_M", 256, 56)],
  [30, plain("BF16", 2)],
  [34, blocks("TQ1_0", 256, 54)],
  [35, blocks("TQ2_0", 256, 66)],
  [39, blocks("MXFP4", 32, 17)],
  [40, blocks("NVFP4", 64, 36)],
  [41, blocks("Q1_0", 128, 18)],
]);

/** Types that ggml had once: their numbers are not given again. */
const REMOVED: ReadonlyMap<number, string> = new Map([
  [4, "Q4_2"], [5, "Q4_3"], [31, "Q4_0_4_4"], [32, "Q4_0_4_8"], [33, "Q4_0_8_8"], [36, "IQ4_NL_4_4"], [37, "IQ4_NL_4_8"], [38, "IQ4_NL_8_8"],
]);

/** The type of this number; undefined when ggml has none, or no longer. */
export function ggufType(number: number): GgufType | undefined {
  return TYPES.get(number);
}

/** The name of a type that was removed from ggml. */
export function removedType(number: number): string | undefined {
  return REMOVED.get(number);
}
