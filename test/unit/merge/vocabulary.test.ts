/** Output vocabularies, rows of embeddings, tokenizer files and chat templates against what mergekit wrote. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { FloatType } from "../../../src/engine/protocol";
import type { PlannedTokenizer, VocabularyPlan } from "../../../src/merge/plan/plan";
import type { MergeDocument } from "../../../src/merge/recipe/recipe";
import { planVocabulary } from "../../../src/merge/tokenizer/plan-vocabulary";
import { evaluate, rounded } from "../../expressions";
import { expected, jsonIn, modelsOf, recipeOf, set, sources, tensorOf } from "./models";

interface Tokenizer {
  added_tokens: { id: number; content: string; special: boolean }[];
  model: { vocab: Record<string, number> };
}

const VOCABULARY_TENSORS = ["model.embed_tokens.weight", "lm_head.weight"];

const planned = async (document: MergeDocument, copyTokenizer = true): Promise<VocabularyPlan> => planVocabulary(document, await modelsOf(document), { copyTokenizer, sources });

/** The text of a file of the output, whether copied or written. */
function textOf({ copied, written }: PlannedTokenizer, name: string): string | undefined {
  const from = copied.find((file) => file.name === name)?.from;
  return from === undefined ? written.find((file) => file.name === name)?.text : readFileSync(from, "utf8");
}

function idsOf({ model, added_tokens: added }: Tokenizer): Map<string, number> {
  return new Map([...Object.entries(model.vocab), ...added.map(({ content, id }): [string, number] => [content, id])]);
}

const linear = (weights: number[]) => (of: Float64Array[]): number[] => {
  const total = weights.reduce((a, b) => a + b);
  return [...of[0]!].map((_, i) => of.reduce((sum, values, j) => sum + weights[j]! * values[i]!, 0) / total);
};
/** Of tok-a (the base) and tok-b, each by a half. */
const taskArithmetic = ([a, b]: Float64Array[]): number[] => [...a!].map((x, i) => x + 0.5 * (b![i]! - x));
const slerp = (t: number) => ([b, a]: Float64Array[]): number[] => {
  const norm = (v: Float64Array): number => Math.hypot(...v);
  const cosine = a!.reduce((sum, x, i) => sum + x * b![i]!, 0) / norm(a!) / norm(b!);
  const angle = Math.acos(cosine);
  return [...a!].map((x, i) => (Math.sin((1 - t) * angle) * x + Math.sin(t * angle) * b![i]!) / Math.sin(angle));
};

const CASES: { name: string; dtype: FloatType; merge(of: Float64Array[]): number[] }[] = [
  { name: "tokenizer-base", dtype: "BF16", merge: linear([0.5, 0.5]) },
  { name: "tokenizer-union", dtype: "BF16", merge: linear([0.4, 0.3, 0.3]) },
  { name: "tokenizer-model", dtype: "F32", merge: taskArithmetic },
  { name: "tokenizer-tokens", dtype: "BF16", merge: linear([0.5, 0.5]) },
  { name: "tokenizer-pad", dtype: "BF16", merge: linear([0.5, 0.2]) },
  { name: "tokenizer-slerp-union", dtype: "BF16", merge: slerp(0.4) },
  { name: "chat-template-auto", dtype: "BF16", merge: linear([0.4, 0.3, 0.3]) },
];

describe("vocabularies of a merge", () => {
  for (const { name, dtype, merge } of CASES) {
    it(`${name}: tokens, their ids and the rows of embedding and head are mergekit's`, async () => {
      const document = recipeOf(name);
      const plan = await planned(document);
      assert.deepEqual(plan.problems.filter(({ severity }) => severity === "error"), []);
      assert.equal(plan.rows, jsonIn(expected(name, "config.json")).vocab_size);
      const ours = JSON.parse(textOf(plan.tokenizer, "tokenizer.json")!) as Tokenizer;
      const theirs = jsonIn<Tokenizer>(expected(name, "tokenizer.json"));
      const union = name.includes("union") || name === "tokenizer-pad";
      // Ids of tokens that a union adds are in no defined order in mergekit; everything else is equal.
      if (!union) assert.deepEqual(ours, theirs);
      const without = (tokenizer: Tokenizer): unknown => ({ ...tokenizer, added_tokens: tokenizer.added_tokens.map((token) => ({ ...token, id: 0 })).sort((a, b) => (a.content < b.content ? -1 : 1)) });
      assert.deepEqual(without(ours), without(theirs));
      const [own, other] = [idsOf(ours), idsOf(theirs)];
      assert.deepEqual([...own.values()].sort((a, b) => a - b), [...own.keys()].map((_, i) => i));
      for (const [token, id] of idsOf(jsonIn<Tokenizer>(join(set, "models", "tok-a", "tokenizer.json")))) if (name !== "tokenizer-model") assert.equal(own.get(token), id);
      const row = new Map([...other].map(([token, id]) => [id, own.get(token)!]));

      for (const tensor of VOCABULARY_TENSORS) {
        const models = await modelsOf(document);
        const of = await Promise.all(models.map(({ reference }) => tensorOf(join(set, reference.path), tensor)));
        const rows = plan.align(of, dtype, of.map(() => true)).map((expression) => evaluate(expression!));
        for (const { shape } of rows) assert.deepEqual(shape, [plan.rows, 32]);
        const merged = merge(rows.map(({ data }) => data)).map((x) => rounded(x, "BF16"));
        const wanted = evaluate(await tensorOf(join(set, "cases", name, "expected"), tensor)).data;
        let off = 0;
        wanted.forEach((x, i) => {
          const column = i % 32;
          const id = (i - column) / 32;
          const difference = Math.abs(merged[(row.get(id) ?? id) * 32 + column]! - x);
          assert.ok(difference <= Math.abs(x) * 2 ** -7 + 1e-9, `${tensor} row ${id} column ${column}: ${merged[(row.get(id) ?? id) * 32 + column]} for ${x}`);
          if (difference > 0) off++;
        });
        // Sums of three that lie half-way between two numbers hang on the order in which f32 rounds.
        assert.ok(off <= wanted.length * 0.02, `${off} of ${wanted.length} values are another number`);
      }
    });
  }

  it("keeps the models' bytes where their rows stay in place", async () => {
    const document = recipeOf("tokenizer-base");
    const of = await Promise.all((await modelsOf(document)).map(({ reference }) => tensorOf(join(set, reference.path), "lm_head.weight")));
    assert.deepEqual((await planned(document)).align(of, "BF16", [true, true])[0], { kind: "cast", of: of[0], dtype: "BF16" });
  });

  for (const name of ["tokenizer-base", "tokenizer-union", "tokenizer-model", "tokenizer-tokens", "chat-template-auto", "chat-template-jinja", "chat-template-chatml"]) {
    it(`${name}: tokenizer_config.json and the chat template are mergekit's`, async () => {
      const { tokenizer } = await planned(recipeOf(name));
      const content = (text: string): unknown => {
        const { is_local: _, local_files_only: __, ...others } = JSON.parse(text) as Record<string, unknown>;
        return others;
      };
      assert.deepEqual(content(textOf(tokenizer, "tokenizer_config.json")!), content(readFileSync(expected(name, "tokenizer_config.json"), "utf8")));
      const template = textOf(tokenizer, "chat_template.jinja");
      if (name !== "chat-template-chatml") assert.equal(template?.trim(), readFileSync(expected(name, "chat_template.jinja"), "utf8").trim());
      else for (const marker of jsonIn<{ chat_template_contains: string[] }>(join(set, "cases", name, "expect.json")).chat_template_contains) assert.ok(template?.includes(marker), marker);
    });
  }

  it("copies the tokenizer's files byte for byte where nothing asks for another, or leaves them out", async () => {
    const { tokenizer, rows } = await planned(recipeOf("copy-tokenizer"));
    assert.equal(rows, null);
    assert.deepEqual(tokenizer.written, []);
    assert.deepEqual(tokenizer.copied.map(({ name }) => name).sort(), ["chat_template.jinja", "generation_config.json", "tokenizer.json", "tokenizer_config.json"]);
    assert.ok(tokenizer.copied.every(({ from, name }) => from === join(set, "models", "tok-b", name)));
    assert.deepEqual((await planned(recipeOf("no-copy-tokenizer"), false)).tokenizer, { copied: [], written: [] });
  });

  for (const [name, line, message] of [
    ["err-tokenizer-too-long", 5, 'the tokenizer of models/tok-over knows the token "▁laz" and 9 more, which the output needs and its embedding of 98 rows does not have'],
    ["err-token-source-unknown", 14, 'models/tok-b has no token "<nowhere>"'],
    ["err-token-id-outside", 14, "the token id 9,999 is outside the embedding of models/tok-b, which has 108 rows"],
  ] as const) {
    it(`${name} is an error at line ${line}`, async () => {
      const { problems, rows, tokenizer } = await planned(recipeOf(name));
      const errors = problems.filter(({ severity }) => severity === "error");
      assert.equal(errors.length, 1, JSON.stringify(errors));
      assert.ok(errors[0]!.message.startsWith(message), errors[0]!.message);
      assert.equal(errors[0]!.at.line, line);
      assert.equal(rows, null);
      assert.deepEqual(tokenizer, { copied: [], written: [] });
    });
  }
});
