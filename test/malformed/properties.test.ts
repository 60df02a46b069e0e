/** Generated headers: valid ones open as what they say; mutated ones open consistently or are refused, and never hang. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { bitsOf } from "../../src/checkpoint/dtypes";
import { fixtures, safetensorsBytes } from "../files";
import { openOrRefuse } from "./consistency";
import { mutate, Random } from "./mutate";

const PATH = "/m/model.safetensors";
const DTYPES = ["F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "F4", "F6_E2M3", "I64", "U8", "BOOL", "C64"];

interface Described {
  dtype: string;
  shape: number[];
}
const described = fc.record({ dtype: fc.constantFrom(...DTYPES), shape: fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 5 }) }, { noNullPrototype: true })
  .filter(({ dtype, shape }) => (shape.reduce((a, b) => a * b, 1) * bitsOf(dtype)!) % 8 === 0);
const name = fc.oneof(fc.string({ unit: "grapheme" }), fc.constantFrom("__proto__", "constructor", "", "a.b.c", "dtype", "\u0000")).filter((text) => text !== "__metadata__");
const model = fc.tuple(fc.uniqueArray(fc.tuple(name, described), { selector: ([key]) => key, maxLength: 12 }), fc.uniqueArray(fc.tuple(name, fc.string({ unit: "grapheme" })), { selector: ([key]) => key, maxLength: 5 }));

/** Header text with entries and fields in any order, JSON whitespace anywhere, and names escaped or not. */
function written(tensors: readonly (readonly [string, Described])[], metadata: readonly (readonly [string, string])[], random: Random): { json: string; data: number; order: string[] } {
  const space = (): string => random.of(["", "", " ", "\n\t", "\r\n"]);
  const text = (value: string): string => (random.below(2) === 0 ? JSON.stringify(value) : `"${[...value].flatMap((c) => [...c].length === 1 ? Array.from({ length: c.length }, (_, i) => `\\u${c.charCodeAt(i).toString(16).padStart(4, "0")}`) : c).join("")}"`);
  const shuffled = <T>(values: T[]): T[] => values.map((value) => [random.below(1 << 30), value] as const).sort(([a], [b]) => a - b).map(([, value]) => value);
  const object = (fields: [string, string][]): string => `${space()}{${space()}${shuffled(fields).map(([key, value]) => `${space()}${text(key)}${space()}:${space()}${value}${space()}`).join(",")}}${space()}`;
  let at = 0;
  const entries = tensors.map(([key, { dtype, shape }]): [string, string] => {
    const bytes = (shape.reduce((a, b) => a * b, 1) * bitsOf(dtype)!) / 8;
    return [key, object([["dtype", text(dtype)], ["shape", JSON.stringify(shape)], ["data_offsets", `[${at},${(at += bytes)}]`]])];
  });
  const all: [string, string][] = metadata.length === 0 ? entries : [...entries, ["__metadata__", object(metadata.map(([key, value]) => [key, text(value)]))]];
  return { json: object(all), data: at, order: tensors.map(([key]) => key) };
}

describe("generated safetensors", () => {
  it("open as what they say", async () => {
    await fc.assert(fc.asyncProperty(model, fc.integer(), async ([tensors, metadata], seed) => {
      const { json, data, order } = written(tensors, metadata, new Random(seed));
      const checkpoint = await openOrRefuse(PATH, new Map([[PATH, safetensorsBytes(json, data)]]));
      assert.ok(checkpoint !== null, json);
      const byName = new Map(tensors);
      // Tensors without bytes may come before or after one another, so compare places only where there are any.
      assert.deepEqual(checkpoint.tensors.filter(({ bytes }) => bytes > 0).map((tensor) => tensor.name), order.filter((key) => !byName.get(key)!.shape.includes(0)));
      assert.deepEqual(new Map(checkpoint.tensors.map(({ name: key, dtype, shape }) => [key, { dtype, shape }])), byName);
      assert.deepEqual(new Map(Object.entries(checkpoint.metadata)), new Map(metadata));
    }), { numRuns: 400 });
  });

  it("open consistently or are refused when a number in them changes", async () => {
    await fc.assert(fc.asyncProperty(model, fc.integer(), fc.nat(), fc.bigInt({ min: -1n, max: 2n ** 65n }), async ([tensors, metadata], seed, which, value) => {
      const { json, data } = written(tensors, metadata, new Random(seed));
      const numbers = [...json.matchAll(/(?<=[[,])\d+(?=[\],])/g)];
      const { index, 0: digits } = numbers[which % Math.max(1, numbers.length)] ?? { index: 0, 0: "" };
      const changed = json.slice(0, index) + String(value) + json.slice(index + digits.length);
      const opened = await openOrRefuse(PATH, new Map([[PATH, safetensorsBytes(changed, data)]]));
      // A length beside a zero may be any; every other number decides about bytes.
      if (opened !== null && digits !== String(value)) assert.ok(opened.tensors.some(({ shape }) => shape.includes(0)), changed);
    }), { numRuns: 400 });
  });

  it("open consistently or are refused whatever happens to the bytes of the reference files", async () => {
    const folder = join(fixtures, "safetensors");
    const sources = readdirSync(folder).filter((file) => file.endsWith(".safetensors")).map((file) => new Uint8Array(readFileSync(join(folder, file))));
    await fc.assert(fc.asyncProperty(fc.constantFrom(...sources), fc.integer(), async (bytes, seed) => {
      await openOrRefuse(PATH, new Map([[PATH, mutate(bytes, new Random(seed))]]));
    }), { numRuns: 1500 });
  });

  it("open consistently or are refused when their index or a shard is mutated", async () => {
    const folder = join(fixtures, "safetensors", "sharded");
    const sound = new Map<string, Uint8Array>(readdirSync(folder).filter((file) => !file.endsWith(".expect.json")).map((file): [string, Uint8Array] => [join("/m", file), new Uint8Array(readFileSync(join(folder, file)))]));
    await fc.assert(fc.asyncProperty(fc.constantFrom(...sound.keys()), fc.integer(), async (victim, seed) => {
      await openOrRefuse("/m/model.safetensors.index.json", new Map(sound).set(victim, mutate(sound.get(victim)!, new Random(seed))));
    }), { numRuns: 1000 });
  });
});
