/** Types of merged tensors: what the recipe asks for, else what the inputs' types are promoted to. */
import { bitsOf } from "../../checkpoint/dtypes";
import type { FloatType } from "../../engine/protocol";
import type { RecipeDtype } from "../recipe/recipe";

const BY_NAME: Readonly<Record<RecipeDtype, FloatType | "I64">> = { float64: "F64", float32: "F32", float16: "F16", bfloat16: "BF16", int64: "I64" };

export function dtypeNamed(name: RecipeDtype): FloatType | "I64" {
  return BY_NAME[name];
}

/** The type as configurations spell it. */
export function isFloat(dtype: string): boolean {
  return dtype.startsWith("F") || dtype === "BF16";
}

export function isComputable(dtype: string): dtype is FloatType {
  return dtype === "F64" || dtype === "F32" || dtype === "F16" || dtype === "BF16";
}

/** As torch promotes: two different half types, and anything narrower, to F32; integers do not widen a type of floating point. */
export function promoted(dtypes: Iterable<string>): FloatType {
  let result: FloatType | undefined;
  let narrow = false;
  for (const dtype of dtypes) {
    if (!isComputable(dtype)) {
      narrow ||= isFloat(dtype);
      continue;
    }
    if (result === undefined || result === dtype) result = dtype;
    else result = result === "F64" || dtype === "F64" ? "F64" : "F32";
  }
  if (result === undefined) return "F32";
  return narrow && result !== "F64" ? "F32" : result;
}

/** Bytes of a tensor; of types with whole bytes only. */
export function bytesOf(parameters: number, dtype: string): number {
  return Math.ceil((parameters * (bitsOf(dtype) ?? 32)) / 8);
}
