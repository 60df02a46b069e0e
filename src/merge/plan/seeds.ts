/** Seeds of random masks: each tensor of each model has its own, however the work is ordered. */
import { createHash } from "node:crypto";

/** A decimal u64 from the recipe's seed, the output tensor's name and the model's label. */
export function maskSeed(seed: number, tensor: string, model: string): string {
  return createHash("sha256").update(JSON.stringify([seed, tensor, model])).digest().readBigUInt64LE(0).toString();
}
