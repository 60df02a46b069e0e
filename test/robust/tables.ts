/** What was measured on the models of `examples/robust` when they were trained: `test/fixtures/robust/rws-results.json`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fixtures, root } from "../files";

export const CORRUPTIONS = ["gaussian_noise", "impulse_noise", "defocus_blur", "contrast", "fog", "pixelate"] as const;
export type Corruption = (typeof CORRUPTIONS)[number];
type Counts = Record<string, number>;

export interface Results {
  units: string[][];
  tensors_outside_units: string[];
  baseline_correct: { clean_model: Counts; base_model: Counts };
  grid: { rows: { corruption: Corruption; variant: "rws" | "unprojected" | "raw"; k: number | "all"; alpha: number[]; clean: number[]; corrupted: number[] }[] };
  cosine: { names: string[]; by_k: Record<string, number[][]> };
  transfer_matrix: { k: number; alpha: number; patched_with: Record<Corruption, Counts>; all_tensors: Record<Corruption, Counts> };
  quick_check: { k: number; alpha: number; clean_model: Counts; patched_with: Record<Corruption, Counts> };
  other_target: { target: string; k: number; baseline: Counts; patched: Record<Corruption, Record<string, Counts>> };
  several: { k: number; rows: { signatures: Corruption[]; coefficients: "full" | "linear" | "authors"; each: number; correct: Counts }[] };
  quantised: { k: number; alpha: number; rows: { corruption: Corruption; scheme: "linear" | "log" | "tanh"; levels: number; relative_error: number; clean: number; corrupted: number }[] };
  removal: Record<Corruption, { elements: number; not_bit_equal_after_add_then_subtract_in_float32: number; largest_difference: number }>;
  layerwise: { models: Record<string, Record<string, { diff_over_clean: number; diff_over_clean_update: number }>> };
  golden: { signatures: Record<string, Record<string, { norm_p: number; norm_rws: number; coefficient: number; energy_removed: number; first8: number[] }>> };
}

export const results = JSON.parse(readFileSync(join(fixtures, "robust", "rws-results.json"), "utf8")) as Results;

/** A model of `examples/robust` by its name. */
export function modelFile(name: string): string {
  return join(root, "examples", "robust", `${name}.safetensors`);
}
