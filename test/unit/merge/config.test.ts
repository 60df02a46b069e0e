/** The output's config.json: what a merge changes in it, and that nothing else moves. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { mergedConfig, type ConfigRequest } from "../../../src/merge/output/config";
import { editJson } from "../../../src/merge/output/json-edit";
import { expected, jsonIn, set } from "./models";

const at = { line: 3, column: 1, endLine: 3, endColumn: 2 };
type Config = Record<string, unknown>;
const merged = (config: Config | string, options: Partial<ConfigRequest>): { config: Config; text: string; warnings: string[] } => {
  const { text, problems } = mergedConfig({ file: "config.json", text: typeof config === "string" ? config : JSON.stringify(config, null, 2), dtype: null, layers: [], vocabularySize: null, at, ...options });
  for (const problem of problems) assert.deepEqual([problem.severity, problem.at], ["warning", at]);
  return { config: JSON.parse(text) as Config, text, warnings: problems.map(({ message }) => message) };
};
/** Layers of one model, by their numbers. */
const layers = (config: Config, before: number, numbers: number[]): ConfigRequest["layers"] => [{ module: null, before, from: numbers.map((layer) => ({ config, layer })) }];

describe("config.json of a merge", () => {
  for (const [name, model, numbers] of [
    ["frankenmerge", "mistral-a", [0, 1, 2, 1, 2, 3]],
    ["block-expansion", "mistral-a", [0, 1, 1, 2, 3]],
  ] as const) {
    it(`${name}: as mergekit writes it`, () => {
      const text = readFileSync(join(set, "models", model, "config.json"), "utf8");
      const config = JSON.parse(text) as Config;
      assert.deepEqual(merged(text, { dtype: "bfloat16", layers: layers(config, 4, [...numbers]) }), { config: jsonIn(expected(name, "config.json")), text: merged(text, { dtype: "bfloat16", layers: layers(config, 4, [...numbers]) }).text, warnings: [] });
    });
  }

  it("changes values where they stand and leaves all else byte for byte", () => {
    const text = '{\n  "rope_theta": 10000.0,\n  "torch_dtype" : "float32",\n  "num_hidden_layers": 4, "vocab_size":\t87,\n  "big": 123456789012345678901,\n  "list": [1e-05, NaN],\n  "ü": "\\u00fc"\n}\n';
    const { text: changed } = mergedConfig({ file: "config.json", text, dtype: "bfloat16", layers: layers({}, 4, [0, 1, 2, 3, 3]), vocabularySize: 128, at });
    assert.equal(changed, text.replace('"float32"', '"bfloat16"').replace(": 4,", ": 5,").replace("87", "128"));
    assert.equal(mergedConfig({ file: "config.json", text, dtype: null, layers: [], vocabularySize: null, at }).text, text);
  });

  it("names the element type under the names that are there, else as transformers does today", () => {
    assert.deepEqual(merged({ dtype: "float32", torch_dtype: "float32" }, { dtype: "float16" }).config, { dtype: "float16", torch_dtype: "float16" });
    assert.deepEqual(merged({ torch_dtype: "float32" }, { dtype: "float16" }).config, { torch_dtype: "float16" });
    assert.equal(merged('{\n    "a": 1\n}', { dtype: "float16" }).text, '{\n    "a": 1,\n    "dtype": "float16"\n}');
    assert.equal(merged("{}", { dtype: "float16" }).text, '{"dtype": "float16"}');
  });

  it("says number of layers and vocabulary in a language model's own part too", () => {
    const inner = { vocab_size: 10, num_hidden_layers: 2, dtype: "float32", layer_types: ["a", "b"] };
    const { config } = merged({ text_config: inner, vision_config: { num_hidden_layers: 2 } }, { dtype: "bfloat16", layers: layers({ text_config: inner }, 2, [1, 1, 0]), vocabularySize: 12 });
    assert.deepEqual(config, { text_config: { vocab_size: 12, num_hidden_layers: 3, dtype: "bfloat16", layer_types: ["b", "b", "a"] }, vision_config: { num_hidden_layers: 2 }, dtype: "bfloat16" });
  });

  it("takes kinds of layers from the models that the layers come from", () => {
    const own = { num_hidden_layers: 3, layer_types: ["full", "sliding", "full"], no_rope_layers: [1, 0, 1], mlp_only_layers: [0, 2], architectures: ["A"], sliding_window_pattern: 2 };
    const other = { num_hidden_layers: 2, layer_types: ["linear", "full"] };
    const { config, warnings } = merged(own, { layers: [{ module: null, before: 3, from: [{ config: own, layer: 0 }, { config: own, layer: 2 }, { config: other, layer: 0 }, { config: own, layer: 1 }] }] });
    assert.deepEqual(config, { ...own, num_hidden_layers: 4, layer_types: ["full", "full", "linear", "sliding"], no_rope_layers: [1, 1, 1, 0], mlp_only_layers: [0, 1, 2] });
    assert.deepEqual(warnings, [`config.json's "no_rope_layers" has an entry for each layer, and the models that layer 2 of the output come from have none: entries of the config that is taken stand in`]);
  });

  it("warns of rules that go by a layer's number, and of numbers of layers it cannot find", () => {
    assert.match(merged({ num_hidden_layers: 4, full_attention_interval: 4 }, { layers: layers({}, 4, [0, 2]) }).warnings[0]!, /^config\.json's "full_attention_interval" says what a layer is by its number/);
    assert.match(merged({ num_hidden_layers: 4, model_type: "gemma2" }, { layers: layers({}, 4, [0, 2]) }).warnings[0]!, /^models of the type gemma2 alternate kinds of layers/);
    assert.deepEqual(merged({ num_hidden_layers: 4, full_attention_interval: 4 }, { layers: layers({}, 4, [0, 1, 2, 3]) }).warnings, []);
    assert.match(merged({ depth: 4 }, { layers: layers({}, 4, [0, 2]) }).warnings[0]!, /^the output has 2 layers and the model whose config\.json it takes 4/);
  });

  it("counts the layers of each module under its own key", () => {
    const modules = (module: string, count: number) => ({ module, before: 2, from: Array.from({ length: count }, (_, i) => ({ config: {}, layer: Math.min(i, 1) })) });
    assert.deepEqual(merged({ num_layers: 2, num_decoder_layers: 2 }, { layers: [modules("encoder", 2), modules("decoder", 3)] }).config, { num_layers: 2, num_decoder_layers: 3 });
    assert.deepEqual(merged({ num_layers: 2 }, { layers: [modules("decoder", 3)] }).config, { num_layers: 2, num_decoder_layers: 3 });
    assert.deepEqual(merged({ encoder_layers: 2, decoder_layers: 2, num_hidden_layers: 2 }, { layers: [modules("encoder", 4)] }).config, { encoder_layers: 4, decoder_layers: 2, num_hidden_layers: 2 });
    assert.deepEqual(merged({ n_layer: 2, n_head: 2 }, { layers: layers({}, 2, [0, 1, 1]) }).config, { n_layer: 3, n_head: 2 });
  });

  it("refuses what is no object, in one sentence", () => {
    for (const [text, message] of [["[]", /^config\.json holds \[ where an object should be$|where an object should be$/], ["{", /ends at byte 1/], ['{"a": 1, "a": 2}', /the key "a" appears twice/]] as const) {
      assert.throws(() => mergedConfig({ file: "config.json", text, dtype: "float16", layers: [], vocabularySize: null, at }), message);
    }
  });
});

describe("edits of JSON", () => {
  it("say what setting the keys of the parsed object says", () => {
    const object = fc.dictionary(fc.string({ maxLength: 4 }).filter((key) => key !== "__proto__"), fc.oneof(fc.integer(), fc.string(), fc.array(fc.integer()), fc.dictionary(fc.string({ maxLength: 2 }).filter((key) => key !== "__proto__"), fc.integer())));
    fc.assert(
      fc.property(object, fc.dictionary(fc.string({ maxLength: 4 }).filter((key) => key !== "__proto__"), fc.jsonValue({ maxDepth: 2 }).filter((value) => !/\ud800|\\ud/i.test(JSON.stringify(value)))), fc.constantFrom(undefined, 2, "\t"), (before, edits, space) => {
        const text = JSON.stringify(before, null, space);
        const edited = editJson(text, Object.entries(edits).map(([key, value]) => ({ path: [key], value })), "f", "the text");
        assert.deepEqual(JSON.parse(edited), JSON.parse(JSON.stringify({ ...before, ...edits })));
      }),
      { numRuns: 300 },
    );
  });
});
