/** Compares an output folder with a case of the merge conformance set, by the set's own rules. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Expectation } from "./expectation";
import { checkOverlapping } from "./overlapping";
import { checkSeparate } from "./separate";
import { packExperts, readStoredModel, type StoredModel, type StoredTensors } from "./stored";
import { checkCard, checkConfig, checkTokenizer } from "./texts";
import { compareValues } from "./values";

export function expectationOf(folder: string): Expectation {
  return JSON.parse(readFileSync(join(folder, "expect.json"), "utf8")) as Expectation;
}

/**
 * @param out the folder that was written for the case's recipe.
 * @param folder of the case.
 * @param root of the set.
 * @returns what is wrong, in sentences; none for an output that agrees.
 */
export function checkOutput(out: string, folder: string, root: string): string[] {
  const expect = expectationOf(folder);
  const expected = join(folder, "expected");
  const [got, want] = [readStoredModel(out), readStoredModel(expected)];
  const found = [...want.tensors.keys()].some((name) => name.includes(".mlp.experts.gate_up_proj")) ? packExperts(got.tensors) : got.tensors;
  const optional = new Set(expect.optional_tensors);
  const { problems: ofTokenizer, rows } = checkTokenizer(out, expected, root, expect);
  const both = [...want.tensors.keys()].filter((name) => found.has(name)).sort();
  const typed = both.filter((name) => describe(found, name) === describe(want.tensors, name));
  return [
    ...[...want.tensors.keys()].filter((name) => !found.has(name) && !optional.has(name)).map((name) => `tensor ${name} is missing`),
    ...[...found.keys()].filter((name) => !want.tensors.has(name) && !optional.has(name)).map((name) => `tensor ${name} is not expected`),
    ...both.filter((name) => !typed.includes(name)).map((name) => `${name} is ${describe(found, name)}, expected ${describe(want.tensors, name)}`),
    ...checkShards(got, want, expect),
    ...ofTokenizer,
    ...(expect.deterministic === false ? checkRandom(typed, found, root, expect) : compareValues(typed, found, want.tensors, expect, rows, ambiguousOf(folder))),
    ...checkConfig(out, expected, expect),
    ...checkCard(out, expected, readFileSync(join(folder, "recipe.yml"), "utf8"), expect),
  ];
}

function describe(tensors: StoredTensors, name: string): string {
  const { dtype, shape } = tensors.get(name)!;
  return `${dtype} [${shape.join(", ")}]`;
}

function ambiguousOf(folder: string): Record<string, number[]> {
  const file = join(folder, "ambiguous.json");
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Record<string, number[]>) : {};
}

function checkShards(got: StoredModel, want: StoredModel, { shard_limit_bytes: limit }: Expectation): string[] {
  if ((got.shards === null) !== (want.shards === null)) return [want.shards === null ? "one file is expected, and there are shards" : "shards are expected"];
  if (got.shards === null || want.shards === null) return [];
  const most = 2 * want.shards.length;
  return [
    ...got.shards.filter(({ bytes, count }) => limit !== undefined && bytes > limit && count > 1).map(({ bytes }) => `a shard holds ${bytes} bytes, and the limit is ${limit}`),
    ...(got.shards.length > 1 && got.shards.length <= most ? [] : [`there are ${got.shards.length} shards, expected about ${want.shards.length}`]),
  ];
}

function checkRandom(names: readonly string[], got: StoredTensors, root: string, { statistics }: Expectation): string[] {
  const { base, models, shape } = statistics!;
  const tensors = (path: string): StoredTensors => readStoredModel(join(root, path)).tensors;
  return (shape === "overlap" ? checkOverlapping : checkSeparate)(names, got, tensors(base), models.map(tensors), statistics!);
}
