/** Adapters and bases made of numbers given in a test, without files. */
import assert from "node:assert/strict";
import type { AdapterModule } from "../src/checkpoint/adapters/adapter";
import { readAdapter } from "../src/checkpoint/adapters/read-adapter";
import type { Checkpoint, Tensor } from "../src/checkpoint/checkpoint";
import { evaluate, type Values } from "./expressions";
import { headerOf, safetensorsBytes } from "./files";
import { MemoryFiles } from "./malformed/memory-files";

/** Values of a shape, each from its index. */
export function tensorOf(shape: number[], value: (index: number) => number): Values {
  const count = shape.reduce((product, length) => product * length, 1);
  return { shape, data: Float64Array.from({ length: count }, (_, i) => value(i)) };
}

/** Pseudo-random values in [−1, 1), the same for the same seed (a linear congruence; Knuth's MMIX constants, high bits). */
export function randomTensor(shape: number[], seed: number): Values {
  let state = (BigInt(seed) * 2654435761n + 12345n) & 0xffff_ffff_ffff_ffffn;
  return tensorOf(shape, () => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffff_ffff_ffff_ffffn;
    return Number(state >> 33n) / 2 ** 30 - 1;
  });
}

/** The element at an index. */
export function at({ shape, data }: Values, ...index: number[]): number {
  return data[index.reduce((flat, i, axis) => flat * shape[axis]! + i, 0)]!;
}

/** Every element is what `wanted` says of its index, within `tolerance` of 1 + its size. */
export function assertElements(found: Values | undefined, shape: number[], wanted: (...index: number[]) => number, tolerance = 1e-9): void {
  assert.deepEqual(found?.shape, shape);
  const index = shape.map(() => 0);
  for (const value of found.data) {
    const expected = wanted(...index);
    assert.ok(Math.abs(value - expected) <= tolerance * (1 + Math.abs(expected)), `[${index.join(", ")}] is ${value}, not ${expected}`);
    for (let axis = shape.length - 1; axis >= 0 && ++index[axis]! === shape[axis]; axis--) index[axis] = 0;
  }
}

/** Σ term(i) for i = 0 … count − 1. */
export function sum(count: number, term: (i: number) => number): number {
  let total = 0;
  for (let i = 0; i < count; i++) total += term(i);
  return total;
}

export type Tensors = Record<string, Values>;

/** A checkpoint of these tensors; of another dtype than F32 as if in a file, for reading its structure only. */
export function checkpointOf(tensors: Tensors, dtype: "F32" | "BF16" = "F32"): Checkpoint {
  return {
    path: "/adapter/adapter_model.safetensors",
    format: "safetensors",
    files: [{ path: "/adapter/adapter_model.safetensors", bytes: 0 }],
    tensors: Object.entries(tensors).map(([name, { shape, data }]): Tensor => ({
      name, dtype, shape, parameters: data.length, bytes: 4 * data.length, file: 0, offset: null,
      expression: dtype === "F32"
        ? { kind: "compute", operation: { name: "literal", shape, values: [...data] }, of: [] }
        : { kind: "range", file: "/base/model.safetensors", offset: 0, bytes: 2 * data.length, dtype, shape },
    })),
    metadata: {}, architecture: null, layers: null, findings: [],
  };
}

/** The modules of an adapter of `type` with tensors as PEFT names them, less `base_model.model.`. */
export async function readFamily(type: string, config: Record<string, unknown>, tensors: Tensors, base?: Tensors, dtype?: "BF16"): Promise<AdapterModule[]> {
  const named = Object.fromEntries(Object.entries(tensors).map(([name, values]) => [`base_model.model.${name}`, values]));
  const files = new MemoryFiles(new Map([["/adapter/adapter_config.json", Buffer.from(JSON.stringify({ peft_type: type, ...config }))]]));
  const adapter = await readAdapter(checkpointOf(named), files, base === undefined ? {} : { base: checkpointOf(base, dtype) });
  if (adapter === null || adapter.notMergeable !== undefined) throw new Error(adapter?.notMergeable ?? "no adapter");
  return adapter.modules;
}

/** The values of the only module's update. */
export async function updateOf(type: string, config: Record<string, unknown>, tensors: Tensors, base?: Tensors): Promise<Values> {
  const [module] = await readFamily(type, config, tensors, base);
  if (module?.delta == null) throw new Error(module?.refused ?? "no update");
  return evaluate(module.delta);
}

/** A safetensors file of these tensors, in F32. */
export function fileOf(tensors: Tensors, metadata?: Record<string, string>): Uint8Array {
  const entries = Object.entries(tensors).map(([name, { shape, data }]) => [name, { dtype: "F32", shape, bytes: 4 * data.length }] as const);
  const data = Buffer.concat(Object.values(tensors).map((values) => Buffer.from(Float32Array.from(values.data).buffer)));
  return safetensorsBytes(headerOf(Object.fromEntries(entries), metadata), data);
}
