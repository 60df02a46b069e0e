/** Tokenizers of models that are not in the conformance set: cut ones, older layouts, models without one, ids that change their meaning. */
import assert from "node:assert/strict";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { LocalFiles } from "../../../src/checkpoint/file-source";
import type { VocabularyModel, VocabularyPlan } from "../../../src/merge/plan/plan";
import { planVocabulary } from "../../../src/merge/tokenizer/plan-vocabulary";
import { Scratch } from "../../files";
import { documentOf } from "./models";

interface Model {
  vocab?: Record<string, number> | [string, number][];
  merges?: unknown[];
  added?: object[];
  rows: number;
  config?: Record<string, unknown>;
  files?: Record<string, object | string>;
}

describe("tokenizer files of a merge", () => {
  let scratch: Scratch;
  beforeEach(() => void (scratch = new Scratch()));
  afterEach(() => scratch.remove());

  /** Plans `section` over models `a` (the base), `b`, … */
  async function plan(section: string, models: Record<string, Model>, options: { copyTokenizer?: boolean } = {}): Promise<VocabularyPlan> {
    const text = `merge_method: linear\nbase_model: a\nparameters: {weight: 1}\nmodels:\n${Object.keys(models).map((name) => `  - model: ${name}\n`).join("")}${section}`;
    const document = documentOf(text);
    const inputs = document.body?.form === "models" ? document.body.inputs : assert.fail();
    const opened = inputs.map(({ model: { value: reference, at } }): VocabularyModel => {
      const { vocab, merges, added, rows, config = {}, files = {} } = models[reference.path]!;
      const folder = join(scratch.folder, reference.path);
      rmSync(folder, { recursive: true, force: true });
      if (vocab !== undefined) scratch.write(`${reference.path}/tokenizer.json`, { version: "1.0", added_tokens: added ?? [], model: { type: "BPE", vocab, merges: merges ?? [] } });
      for (const [name, content] of Object.entries(files)) scratch.write(`${reference.path}/${name}`, content);
      const beside = (name: string) => Promise.resolve(existsSync(join(folder, name)) ? { from: join(folder, name) } : null);
      return { reference, label: reference.path, at, base: reference.path === "a", merged: true, config, rows, beside };
    });
    return planVocabulary(document, opened, { copyTokenizer: options.copyTokenizer ?? true, sources: new LocalFiles() });
  }
  const written = ({ tokenizer }: VocabularyPlan, name: string): unknown => JSON.parse(tokenizer.written.find((file) => file.name === name)!.text);
  const names = ({ tokenizer }: VocabularyPlan): string[] => [...tokenizer.copied, ...tokenizer.written].map(({ name }) => name).sort();
  const messages = ({ problems }: VocabularyPlan): string[] => problems.map(({ severity, message, at }) => `${severity} ${at.line}: ${message}`);

  it("a base with more ids than rows loses those tokens, and the merges that make them or need them", async () => {
    const a: Model = { vocab: { h: 0, e: 1, he: 2, y: 3, hey: 4 }, merges: ["h e", ["he", "y"], "e y"], added: [{ id: 1, content: "e" }, { id: 5, content: "<s>", special: true }], rows: 4 };
    const result = await plan("tokenizer_source: base\n", { a, b: { vocab: { h: 0, e: 1, he: 2, y: 3 }, rows: 4 } });
    assert.equal(result.rows, 4);
    assert.deepEqual(messages(result), ["warning 7: the tokenizer of a has ids up to 5 and its embedding 4 rows: tokens beyond them are left out"]);
    assert.deepEqual(written(result, "tokenizer.json"), { version: "1.0", added_tokens: [{ id: 1, content: "e" }], model: { type: "BPE", vocab: { h: 0, e: 1, he: 2, y: 3 }, merges: ["h e"] } });
  });

  it("of a unigram model the list is cut, and scores stay", async () => {
    const result = await plan("tokenizer_source: base\n", { a: { vocab: [["x", -0.5], ["y", -1.25], ["z", -3]], rows: 2 } });
    assert.deepEqual((written(result, "tokenizer.json") as { model: { vocab: unknown } }).model.vocab, [["x", -0.5], ["y", -1.25]]);
  });

  it("a token of the table is added to the base's tokenizer too", async () => {
    const result = await plan("tokenizer:\n  source: base\n  tokens:\n    <x>: {source: b}\n", { a: { vocab: { p: 0 }, rows: 8, files: { "added_tokens.json": {}, "merges.txt": "", "tokenizer_config.json": { added_tokens_decoder: { "0": { content: "p" } } } } }, b: { vocab: { p: 0, "<x>": 1 }, rows: 2 } });
    assert.equal(result.rows, 2);
    assert.deepEqual(written(result, "tokenizer.json"), { version: "1.0", added_tokens: [{ id: 1, content: "<x>", single_word: false, lstrip: false, rstrip: false, normalized: true, special: false }], model: { type: "BPE", vocab: { p: 0 }, merges: [] } });
    assert.deepEqual(written(result, "tokenizer_config.json"), { added_tokens_decoder: { "0": { content: "p" }, "1": { content: "<x>", single_word: false, lstrip: false, rstrip: false, normalized: true, special: false } } });
    // Files that know nothing of the new token are left out.
    assert.deepEqual(names(result), ["tokenizer.json", "tokenizer_config.json"]);
  });

  it("a model without a tokenizer.json is an error at its line, a source that no model has a warning", async () => {
    assert.deepEqual(messages(await plan("tokenizer_source: union\n", { a: { vocab: { p: 0 }, rows: 1 }, b: { rows: 1 } })), [
      "error 6: b has no tokenizer.json, so its embedding's rows cannot be told apart by their tokens: put the file beside its weights, or leave the tokenizer section out",
    ]);
    assert.deepEqual(messages(await plan("tokenizer:\n  source: base\n  tokens:\n    <x>: {}\n    <y>: {}\n", { a: { vocab: { p: 0 }, rows: 1 } })), [
      'warning 7: no merged model has the tokens "<x>", "<y>": zeros stand in for their rows; a "source" under tokenizer.tokens would say what should',
    ]);
  });

  it("ids of special tokens that mean another token in the output are a warning", async () => {
    const a: Model = { vocab: { "</s>": 0, p: 1 }, rows: 2, config: { eos_token_id: [0], bos_token_id: 1 } };
    assert.deepEqual(messages(await plan("tokenizer_source: b\n", { a, b: { vocab: { q: 0, p: 1 }, rows: 2 } })), [
      'warning 7: eos_token_id 0 of a\'s config.json is "</s>", and in the output\'s tokenizer "q": correct it there before generating text',
    ]);
  });

  it("padding that makes more rows than any use has is an error", async () => {
    assert.match(messages(await plan("tokenizer:\n  source: base\n  pad_to_multiple_of: 4000000000\n", { a: { vocab: { p: 0 }, rows: 1 } }))[0]!, /^error 8: pad_to_multiple_of 4,000,000,000 makes 4,000,000,000 rows of 1 tokens/);
  });

  it("a chat template replaces the donor's wherever it stands, and is ignored with a warning where no tokenizer is written", async () => {
    const a: Model = { vocab: { p: 0 }, rows: 1, files: { "tokenizer_config.json": '{"chat_template": "old", "model_max_length": 1e30}', "chat_template.json": {}, "special_tokens_map.json": {} } };
    const template = "{% for message in messages %}{{ message['content'] }}{% endfor %}";
    const result = await plan(`chat_template: "${template}"\n`, { a });
    assert.deepEqual(names(result), ["chat_template.jinja", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json"]);
    assert.equal(result.tokenizer.written.find(({ name }) => name === "chat_template.jinja")?.text, template);
    // Numbers stay as they were written.
    assert.equal(result.tokenizer.written.find(({ name }) => name === "tokenizer_config.json")?.text, `{"chat_template": ${JSON.stringify(template)}, "model_max_length": 1e30}`);
    const none = await plan("chat_template: chatml\n", { a }, { copyTokenizer: false });
    assert.deepEqual(none.tokenizer, { copied: [], written: [] });
    assert.deepEqual(messages(none), ["warning 6: the chat template is not written, as no tokenizer is: leave --no-copy-tokenizer out, or name a tokenizer_source"]);
  });

  it("auto takes the most frequent template, of equally many the first, also from tokenizer_config.json", async () => {
    const with_ = (template: unknown): Model => ({ vocab: { p: 0 }, rows: 1, files: { "tokenizer_config.json": { chat_template: template } } });
    const templateOf = async (models: Record<string, Model>) => (await plan("chat_template: auto\n", models)).tokenizer.written.find(({ name }) => name === "chat_template.jinja")?.text;
    assert.equal(await templateOf({ a: with_("one {{ x }}"), b: with_("two {{ x }}"), c: with_([{ name: "tools", template: "no" }, { name: "default", template: "two {{ x }}\n" }]) }), "two {{ x }}");
    assert.equal(await templateOf({ a: with_("one {{ x }}"), b: with_("two {{ x }}") }), "one {{ x }}");
    assert.deepEqual(messages(await plan("chat_template: auto\n", { a: { vocab: { p: 0 }, rows: 1 } })), ["warning 6: no model has a chat template, so there is none for chat_template: auto to take"]);
  });

  it("a known template warns of what it writes and the tokenizer has not", async () => {
    const result = await plan("tokenizer_source: base\nchat_template: chatml\n", { a: { vocab: { p: 0, "<|im_end|>": 1 }, rows: 2 } });
    assert.deepEqual(messages(result), ['warning 7: the chat template chatml writes "<|im_start|>", which the output\'s tokenizer splits into pieces: add it under tokenizer.tokens, or take the tokenizer of a model that has it']);
  });
});
