/** Reference adapters, altered: for tests of what their library would have left out and of what is damaged. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Adapter } from "../src/checkpoint/adapters/adapter";
import { readAdapter } from "../src/checkpoint/adapters/read-adapter";
import type { Checkpoint } from "../src/checkpoint/checkpoint";
import { LocalFiles } from "../src/checkpoint/file-source";
import { openCheckpoint } from "../src/checkpoint/registry";
import { fixtures, safetensorsBytes, type Scratch } from "./files";

export interface StoredTensor {
  name: string;
  dtype: string;
  shape: number[];
  data: Uint8Array;
}

export interface StoredAdapter {
  config: Record<string, unknown>;
  tensors: StoredTensor[];
}

const folder = join(fixtures, "adapters");

/** The files of a reference adapter that PEFT saved as safetensors. */
export function storedAdapter(name: string): StoredAdapter {
  const bytes = readFileSync(join(folder, name, "adapter_model.safetensors"));
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, start).toString()) as Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;
  const tensors = Object.entries(header).filter(([key]) => key !== "__metadata__").map(([key, { dtype, shape, data_offsets: [from, to] }]) =>
    ({ name: key, dtype, shape, data: bytes.subarray(start + from, start + to) }));
  return { config: JSON.parse(readFileSync(join(folder, name, "adapter_config.json"), "utf8")) as Record<string, unknown>, tensors };
}

/** The base model that a reference adapter's `expect.json` names. */
export function baseModel(name: string): Promise<Checkpoint> {
  const { base } = JSON.parse(readFileSync(join(folder, name, "expect.json"), "utf8")) as { base: string };
  return openCheckpoint(join(folder, "base", base));
}

/** Writes the adapter into a folder of its own and reads it. */
export async function readStored(scratch: Scratch, { config, tensors }: StoredAdapter, options: Parameters<typeof readAdapter>[2] = {}): Promise<Adapter | null> {
  let at = 0;
  const header = Object.fromEntries(tensors.map(({ name, dtype, shape, data }) => [name, { dtype, shape, data_offsets: [at, (at += data.length)] }]));
  scratch.write("adapter_config.json", config);
  const path = scratch.write("adapter_model.safetensors", safetensorsBytes(header, Buffer.concat(tensors.map(({ data }) => data))));
  return readAdapter(await openCheckpoint(path), new LocalFiles(), options);
}
