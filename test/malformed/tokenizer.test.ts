/** Damaged tokenizer files end in one sentence that says where, before anything is allocated for what they claim. */
import assert from "node:assert/strict";
import { truncateSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { CheckpointError } from "../../src/checkpoint/checkpoint";
import { LocalFiles } from "../../src/checkpoint/file-source";
import type { VocabularyModel } from "../../src/merge/plan/plan";
import { planVocabulary } from "../../src/merge/tokenizer/plan-vocabulary";
import { parseVocabulary } from "../../src/merge/tokenizer/vocabulary";
import { Scratch } from "../files";
import { documentOf } from "../unit/merge/models";

const refused = (content: unknown): string => {
  try {
    parseVocabulary(Buffer.from(typeof content === "string" ? content : JSON.stringify(content)), "tokenizer.json");
  } catch (error) {
    assert.ok(error instanceof CheckpointError, String(error));
    return error.message;
  }
  return assert.fail(`accepted ${JSON.stringify(content)}`);
};
const model = (vocab: unknown, added: unknown = []): object => ({ added_tokens: added, model: { type: "BPE", vocab } });

describe("damaged tokenizer files", () => {
  for (const [what, content, message] of [
    ["no JSON", "{", /^tokenizer\.json ends at byte 1 where a key in double quotes should be$/],
    ["a list", [], /^tokenizer\.json holds .+ where an object should be$/],
    ["no model", { added_tokens: [] }, /^tokenizer\.json has no "model"$/],
    ["a model that is no object", { model: 3 }, /^tokenizer\.json's "model" is 3 where an object should be$/],
    ["no vocabulary", { model: {} }, /^tokenizer\.json's "model" has no "vocab"$/],
    ["a vocabulary that is text", model("abc"), /^the vocabulary of tokenizer\.json is "abc" where tokens with their ids should be$/],
    ["no tokens", model({}), /^tokenizer\.json has no tokens$/],
    ["an id that is text", model({ a: "0" }), /^tokenizer\.json gives the token "a" the id "0"; an id is a whole number from 0$/],
    ["a negative id", model({ a: -1 }), /the id -1; an id is a whole number from 0$/],
    ["a fraction", model({ a: 0.5 }), /the id 0\.5; an id is a whole number from 0$/],
    ["an id that would need gigabytes of rows", model({ a: 4294967295 }), /^tokenizer\.json gives the token "a" the id 4,294,967,295; ids below 16,777,216 are supported$/],
    ["ids far beyond its tokens", model({ a: 0, b: 100000 }), /^tokenizer\.json has 2 tokens and gives "b" the id 100,000$/],
    ["an id beyond 2^64", '{"model": {"vocab": {"a": 123456789012345678901234567890}}}', /ids below 16,777,216 are supported$/],
    ["an id twice", model({ a: 1, b: 1 }), /^tokenizer\.json gives the id 1 to the tokens "a" and "b"$/],
    ["a token twice", '{"model": {"vocab": {"a": 0, "a": 0}}}', /^the token "a" appears twice in the vocabulary of tokenizer\.json, again at byte 29$/],
    ["an added token with another token's id", model({ a: 0 }, [{ id: 0, content: "<s>" }]), /^tokenizer\.json gives the id 0 to the tokens "<s>" and "a"$/],
    ["an added token with two ids", model({ a: 0 }, [{ id: 3, content: "a" }]), /^tokenizer\.json gives the token "a" the ids 3 and 0$/],
    ["an added token without an id", model({ a: 0 }, [{ content: "<s>" }]), /^an added token of tokenizer\.json \("<s>"\) has no id that is a whole number from 0, at byte \d+$/],
    ["an added token that is text", model({ a: 0 }, ["<s>"]), /^an added token of tokenizer\.json is no object, at byte \d+$/],
    ["scores without tokens", model([[1, 2]]), /^the vocabulary of tokenizer\.json holds 1 where a token with its score should be$/],
    ["an empty score", model([[]]), /where a token with its score should be$/],
    ["two models", '{"model": {"vocab": {"a": 0}}, "model": {"vocab": {"b": 0}}}', /^the key "model" appears twice in tokenizer\.json, again at byte \d+$/],
    ["deep nesting", `{"model": ${'{"vocab": '.repeat(200)}1${"}".repeat(200)}}`, /an id is a whole number from 0$|nested deeper than 128 levels/],
  ] as const) {
    it(`${what}: one sentence`, () => assert.match(refused(content), message));
  }

  it("never crash, whatever byte is another", () => {
    const text = JSON.stringify(model({ a: 0, b: 1, ab: 2 }, [{ id: 3, content: "<s>", special: true }]));
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.integer({ min: 0, max: 255 }), (at, byte) => {
        const bytes = Buffer.from(text);
        bytes[at] = byte;
        try {
          parseVocabulary(bytes, "tokenizer.json");
        } catch (error) {
          assert.ok(error instanceof CheckpointError, String(error));
        }
      }),
      { numRuns: 3000 },
    );
  });

  describe("in a merge", () => {
    let scratch: Scratch;
    beforeEach(() => void (scratch = new Scratch()));
    afterEach(() => scratch.remove());

    const document = documentOf("models:\n  - model: a\n    parameters: {weight: 1}\nmerge_method: linear\ntokenizer_source: base\nbase_model: a\n");
    const plan = async (from: string) => {
      const beside: VocabularyModel["beside"] = (name) => Promise.resolve(name === "tokenizer.json" ? { from } : null);
      const { model: reference } = document.body?.form === "models" ? document.body.inputs[0]! : assert.fail();
      return planVocabulary(document, [{ reference: reference.value, label: "a", at: reference.at, base: true, merged: true, config: null, rows: 10, beside }], { copyTokenizer: true, sources: new LocalFiles() });
    };

    it("are an error at the model's place and nothing is aligned", async () => {
      const { problems, rows, tokenizer } = await plan(scratch.write("tokenizer.json", model({ a: 0, b: 0 })));
      assert.deepEqual(problems.map(({ severity, code, message, at }) => [severity, code, message, at.line]), [
        ["error", "tokenizer-damaged", `${join(scratch.folder, "tokenizer.json")}: tokenizer.json gives the id 0 to the tokens "a" and "b"`, 2],
      ]);
      assert.equal(rows, null);
      assert.deepEqual(tokenizer, { copied: [], written: [] });
    });

    it("are refused by their size before they are read", async () => {
      const from = scratch.write("tokenizer.json", "{");
      truncateSync(from, 300e6);
      const { problems } = await plan(from);
      assert.match(problems[0]!.message, /it has 300,000,000 bytes, more than the limit of 268,435,456$/);
    });
  });
});
