/** `inspect`: selecting, folders and shards, hostile names, special values, reports for people. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { InspectDocument } from "../../../src/cli/inspect";
import { fixtures, headerOf, root, safetensorsBytes, Scratch, vectors } from "../../files";
import { json, weightLoupe } from "./command-line";

const LLAMA = "examples/tiny-llama/checkpoint-1200";
const SHARDED = "examples/tiny-llama-sharded";
const LISTED = Object.keys((JSON.parse(readFileSync(join(root, SHARDED, "model.safetensors.index.json"), "utf8")) as { weight_map: object }).weight_map);

describe("inspect", () => {
  let scratch: Scratch;
  beforeEach(() => (scratch = new Scratch()));
  afterEach(() => scratch.remove());

  it("opens a folder that holds one model, and shows paths in its terms", async () => {
    const document = await json<InspectDocument>(["inspect", LLAMA]);
    assert.equal(document.path, LLAMA);
    assert.deepEqual(document.files.map(({ path }) => path), [`${LLAMA}/model.safetensors`]);
    assert.deepEqual(document.architecture, { name: "LlamaForCausalLM", from: "config" });
    assert.equal(document.layers, 2);
    assert.deepEqual(document.dtypes, { F32: { tensors: 20, parameters: 16_248, bytes: 64_992 } });
    assert.deepEqual(document.findings, []);
  });

  it("opens an index with its shards, from anywhere", async () => {
    const document = await json<InspectDocument>(["inspect", "model.safetensors.index.json", "--stats"], { cwd: join(root, SHARDED) });
    assert.deepEqual(document.files.map(({ path }) => path).sort(), ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]);
    assert.deepEqual(document.tensors.map(({ name }) => name).sort(), LISTED.sort());
    assert.ok(document.tensors.every(({ statistics, file }) => statistics !== undefined && document.files.some(({ path }) => path === file)));
  });

  it("lists the tensors of a missing shard with the reason, and analyses the rest", async () => {
    for (const name of ["model.safetensors.index.json", "model-00001-of-00002.safetensors"]) scratch.write(name, readFileSync(join(root, SHARDED, name)));
    const document = await json<InspectDocument>(["inspect", scratch.folder, "--stats"]);
    assert.equal(document.tensors.length, LISTED.length);
    assert.deepEqual(document.files.filter(({ missing }) => missing).map(({ path }) => path), [join(scratch.folder, "model-00002-of-00002.safetensors")]);
    const missing = document.tensors.filter(({ file }) => file.endsWith("00002-of-00002.safetensors"));
    assert.ok(missing.length > 0 && missing.length < LISTED.length);
    assert.ok(missing.every(({ unreadable, statistics }) => unreadable?.includes("missing") && statistics === undefined));
    assert.ok(document.tensors.every(({ unreadable, statistics }) => (unreadable === undefined) === (statistics !== undefined)));
    assert.equal(document.findings[0]?.rule, "missing-shard");
  });

  it("selects tensors by name, glob and regular expression", async () => {
    const names = async (...patterns: string[]): Promise<string[]> =>
      (await json<InspectDocument>(["inspect", LLAMA, ...patterns.flatMap((pattern) => ["--tensor", pattern])])).tensors.map(({ name }) => name);
    assert.deepEqual(await names("model.norm.weight"), ["model.norm.weight"]);
    assert.deepEqual(await names("model.layers.*.self_attn.{q,k}_proj.weight"), [0, 1].flatMap((i) => ["k", "q"].map((x) => `model.layers.${i}.self_attn.${x}_proj.weight`)));
    assert.deepEqual(await names("/layers\\.1\\..*norm/"), ["model.layers.1.input_layernorm.weight", "model.layers.1.post_attention_layernorm.weight"]);
    assert.deepEqual(await names("model.norm.*", "**.embed_tokens.**"), ["model.embed_tokens.weight", "model.norm.weight"]);
    assert.deepEqual(await names("*.bias"), []);
  });

  it("computes only what is selected, and counts the whole", async () => {
    const { parameters, tensors } = await json<InspectDocument>(["inspect", LLAMA, "--tensor", "model.norm.weight", "--stats", "--spectrum"]);
    assert.equal(parameters, 16_248);
    assert.deepEqual(tensors.map(({ name, statistics, spectrum }) => [name, statistics?.count, spectrum]), [["model.norm.weight", 24, undefined]]);
  });

  it("writes what JSON cannot hold as strings", async () => {
    const { tensors } = await json<InspectDocument>(["inspect", "examples/diverged/checkpoint-450", "--stats"]);
    for (const { statistics } of tensors) {
      assert.equal(statistics?.nan, statistics?.count);
      assert.deepEqual([statistics?.min, statistics?.mean, statistics?.quantiles[".5"]], ["NaN", "NaN", "NaN"]);
    }
    const { tensors: special } = await json<InspectDocument>(["inspect", join(fixtures, "safetensors", "special_values.safetensors"), "--stats"]);
    const u64 = special.find(({ name }) => name === "special.u64")?.statistics;
    assert.deepEqual([u64?.min, u64?.max], [0, "18446744073709551615"]);
    const f32 = special.find(({ name }) => name === "special.f32")?.statistics;
    assert.ok(f32 !== undefined && f32.nan > 0 && f32.positiveInfinity > 0 && f32.negativeInfinity > 0 && f32.subnormals > 0);
  });

  it("lists dtypes that cannot be decoded with the reason", async () => {
    const { tensors, findings } = await json<InspectDocument>(["inspect", join(fixtures, "safetensors", "six_bit.safetensors"), "--stats", "--health"]);
    assert.ok(tensors.some(({ unreadable }) => unreadable?.includes("cannot be decoded")));
    assert.ok(findings.some(({ rule, severity }) => rule === "undecodable" && severity === "info"));
  });

  it("handles empty tensors, scalars and a file without tensors", async () => {
    const { tensors } = await json<InspectDocument>(["inspect", join(fixtures, "safetensors", "zero_size_and_scalars.safetensors"), "--stats", "--spectrum", "--health"]);
    assert.ok(tensors.every(({ statistics, parameters }) => statistics?.count === parameters));
    const empty = await json<InspectDocument>(["inspect", join(fixtures, "safetensors", "metadata_only.safetensors"), "--stats", "--health"]);
    assert.deepEqual([empty.tensors, empty.findings, empty.parameters], [[], [], 0]);
  });

  it("keeps tensor names as they are in JSON, and harmless on a terminal", async () => {
    const hostile = "\u001b[2J\u202eevil\n\u0007.weight";
    const file = scratch.write("hostile.safetensors", vectors({ [hostile]: 2, __proto__x: 1 }));
    const document = await json<InspectDocument>(["inspect", file]);
    assert.equal(document.tensors[0]!.name, hostile);
    const { stdout } = await weightLoupe(["inspect", file, "--stats"]);
    // eslint-disable-next-line no-control-regex
    assert.doesNotMatch(stdout, /[\u0000-\u0009\u000b-\u001f\u202e]/);
    assert.match(stdout, /\\u001b\[2J\\u202eevil\\u000a\\u0007\.weight/);
  });

  it("prints a report in aligned columns, repeated layers folded, without colours in a pipe", async () => {
    const { stdout, stderr } = await weightLoupe(["inspect", LLAMA]);
    assert.equal(stderr, "");
    // eslint-disable-next-line no-control-regex
    assert.doesNotMatch(stdout, /\u001b/);
    assert.match(stdout, /^examples\/tiny-llama\/checkpoint-1200 {2}safetensors · LlamaForCausalLM · 2 layers · 16\.2 K parameters · 65\.0 kB\n/);
    assert.match(stdout, /\n {2}model\.layers\.0…1\.mlp\.down_proj\.weight {2}× 2 +F32 +24 × 64 +3,072 +12\.3 kB\n/);
    const coloured = await weightLoupe(["inspect", LLAMA], { env: { FORCE_COLOR: "1", NO_COLOR: "" } });
    // eslint-disable-next-line no-control-regex
    assert.match(coloured.stdout, /\u001b\[1m/);
    const plain = await weightLoupe(["inspect", LLAMA], { env: { FORCE_COLOR: "1", NO_COLOR: "1" } });
    assert.equal(plain.stdout, stdout);
  });

  it("opens 100,000 tensors", async () => {
    const tensors = Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`model.layers.${i >> 3}.t${i & 7}.weight`, { dtype: "F32", shape: [1], bytes: 4 }]));
    const file = scratch.write("many.safetensors", safetensorsBytes(headerOf(tensors), 400_000));
    const document = await json<InspectDocument>(["inspect", file]);
    assert.equal(document.tensors.length, 100_000);
    assert.equal(document.layers, 12_500);
  });
});
