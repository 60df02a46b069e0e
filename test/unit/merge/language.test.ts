/** The recipes' language server, asked over a stream as an editor asks it. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { CompletionItem, Diagnostic, Hover } from "vscode-languageserver";
import { readRecipe } from "../../../src/merge/recipe/read";
import { headerOf, root, safetensorsBytes, Scratch } from "../../files";
import { edited, marked, RecipeClient } from "./recipe-client";

/** A Llama of a few tensors to a layer, of zeros. */
function llama(scratch: Scratch, name: string, { layers = 4, hidden = 8, config = {} }: { layers?: number; hidden?: number; config?: object } = {}): void {
  const tensors: Parameters<typeof headerOf>[0] = {};
  const add = (tensor: string, ...shape: number[]): void => void (tensors[tensor] = { dtype: "BF16", shape, bytes: 2 * shape.reduce((a, b) => a * b, 1) });
  add("model.embed_tokens.weight", 16, hidden);
  for (let layer = 0; layer < layers; layer++) {
    for (const part of ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]) add(`model.layers.${layer}.${part}.weight`, hidden, hidden);
    for (const norm of ["input_layernorm", "post_attention_layernorm"]) add(`model.layers.${layer}.${norm}.weight`, hidden);
  }
  add("model.norm.weight", hidden);
  add("lm_head.weight", 16, hidden);
  scratch.write(`${name}/model.safetensors`, safetensorsBytes(headerOf(tensors), Object.values(tensors).reduce((sum, { bytes }) => sum + bytes, 0)));
  scratch.write(`${name}/config.json`, { architectures: ["LlamaForCausalLM"], model_type: "llama", num_hidden_layers: layers, hidden_size: hidden, vocab_size: 16, torch_dtype: "bfloat16", ...config });
}

const errors = (diagnostics: readonly Diagnostic[]): [unknown, number][] => diagnostics.filter(({ severity }) => severity === 1).map(({ code, range }) => [code, range.start.line + 1]);
const labels = (items: readonly CompletionItem[]): string[] => items.map(({ label }) => label);
const textOf = (found: Hover | null): string => (found!.contents as { value: string }).value;

describe("language server of recipes", function () {
  this.timeout(60_000);
  const scratch = new Scratch();
  let client: RecipeClient;
  const file = join(scratch.folder, "recipes", "try.merge.yaml");

  before(async () => {
    for (const name of ["a", "b", "base"]) llama(scratch, `models/${name}`);
    llama(scratch, "models/short", { layers: 2 });
    llama(scratch, "models/wide", { hidden: 12 });
    client = await RecipeClient.start({ folder: scratch.folder });
  });
  after(async () => {
    await client.stop();
    scratch.remove();
  });

  /** Asks about the text at its mark. */
  async function at<T>(text: string, ask: (uri: string, position: { line: number; character: number }) => Promise<T>): Promise<T> {
    const { text: whole, position } = marked(text);
    const { uri } = await client.open(file, whole);
    try {
      return await ask(uri, position);
    } finally {
      await client.close(uri);
    }
  }

  const TWO = "models:\n  - model: models/a\n    parameters: {weight: 0.5}\n  - model: models/b\n    parameters: {weight: 0.5}\n";

  describe("diagnostics", () => {
    it("none for a recipe that can run, and each mistake as it is typed and put right", async () => {
      const { uri, diagnostics } = await client.open(file, `${TWO}merge_method: linear\n`);
      assert.deepEqual(diagnostics, []);
      const line = { start: { line: 5, character: 14 }, end: { line: 5, character: 20 } };
      assert.deepEqual(errors(await client.change(uri, "linaer", line)), [["unknown-method", 6]]);
      assert.deepEqual(errors(await client.change(uri, "linear", line)), []);
      assert.deepEqual(errors(await client.change(uri, `${TWO}merge_method: ties\n`)), [["missing-base", 6]]);
      assert.deepEqual(errors(await client.change(uri, `${TWO}merge_method: ties\nbase_model: models/base\n`)), []);
      await client.close(uri);
    });

    const cases: [string, string, [string, number][]][] = [
      ["a model that is not there", "models:\n  - model: models/a\n    parameters: {weight: 1}\n  - model: models/c\n    parameters: {weight: 1}\nmerge_method: linear\n", [["missing-model", 4]]],
      ["layers outside of the model", "slices:\n  - sources:\n      - model: models/a\n        layer_range: [2, 6]\nmerge_method: passthrough\n", [["layer-range-outside", 4]]],
      ["other shapes", "models:\n  - model: models/a\n    parameters: {weight: 1}\n  - model: models/wide\n    parameters: {weight: 1}\nmerge_method: linear\n", [["shape-mismatch", 4]]],
      ["della's bounds in one layer of a gradient", "models:\n  - model: models/a\n    parameters: {weight: 1, density: [0.5, 0.9]}\nbase_model: models/base\nmerge_method: della\n", [["epsilon-range", 3]]],
      ["both the text's and the models'", "models:\n  - model: models/a\n    parameters: {weight: heavy}\n  - model: models/c\n    parameters: {weight: 1}\nmerge_method: linear\n", [["parameter-type", 3], ["missing-model", 4]]],
    ];
    for (const [what, text, expected] of cases) {
      it(what, async () => {
        const { uri, diagnostics } = await client.open(file, text);
        await client.close(uri);
        assert.deepEqual(errors(diagnostics), expected, JSON.stringify(diagnostics, null, 1));
      });
    }

    it("a filter that matches nothing is warned of", async () => {
      const { uri, diagnostics } = await client.open(file, "models:\n  - model: models/a\n    parameters:\n      weight:\n        - {filter: mpl, value: 1}\n        - value: 2\nmerge_method: linear\n");
      await client.close(uri);
      assert.deepEqual(diagnostics.map(({ code, severity, range }) => [code, severity, range.start.line + 1]), [["filter-matches-nothing", 2, 5]]);
    });

    it("a model that is put there while the recipe is open", async () => {
      const text = "models:\n  - model: models/later\n    parameters: {weight: 1}\nmerge_method: linear\n";
      const { uri, diagnostics } = await client.open(file, text);
      assert.deepEqual(errors(diagnostics), [["missing-model", 2]]);
      llama(scratch, "models/later");
      assert.deepEqual(errors(await client.change(uri, `${text}# there it is\n`)), []);
      await client.close(uri);
    });

    it("every recipe of the conformance set that mergekit refuses is refused here, at the line of the mistake; the others are not", async () => {
      const set = join(root, "test", "fixtures", "merge");
      const conformance = await RecipeClient.start({ folder: set });
      const names = readdirSync(join(set, "cases"));
      for (const name of names) {
        const path = join(set, "cases", name, "recipe.yml");
        const { uri, diagnostics } = await conformance.open(path, readFileSync(path, "utf8"));
        await conformance.close(uri);
        // Cut to the smaller vocabulary only where the command line is told so.
        if (name === "truncate-embeddings") continue;
        assert.deepEqual(errors(diagnostics).map(([, line]) => line), REFUSED[name] ?? [], `${name}: ${JSON.stringify(diagnostics)}`);
      }
      assert.deepEqual(names.filter((name) => name.startsWith("err-")).sort(), Object.keys(REFUSED).sort());
      await conformance.stop();
    });
  });

  describe("bounds", () => {
    it("model paths may not leave an untrusted workspace, through links neither", async () => {
      const outside = new Scratch();
      const inside = new Scratch();
      try {
        llama(outside, "secret");
        llama(inside, "models/a");
        symlinkSync(join(outside.folder, "secret"), join(inside.folder, "link"));
        const confined = await RecipeClient.start({ folder: inside.folder, confinedTo: [inside.folder] });
        const recipe = (model: string): string => `models:\n  - model: ${model}\n    parameters: {weight: 1}\nmerge_method: linear\n`;
        const path = join(inside.folder, "x.merge.yaml");
        for (const [model, code] of [[join(outside.folder, "secret"), "outside-workspace"], [`../${outside.folder.split("/").at(-1)}/secret`, "outside-workspace"], ["link", "outside-workspace"], ["models/a", undefined]] as const) {
          const { uri, diagnostics } = await confined.open(path, recipe(model));
          assert.deepEqual(errors(diagnostics).map(([found]) => found), code === undefined ? [] : [code], model);
          if (code !== undefined) {
            assert.equal(await confined.definition(uri, { line: 1, character: 12 }), null);
            assert.doesNotMatch(JSON.stringify(await confined.hover(uri, { line: 1, character: 12 })), /tensors ·/);
          }
          await confined.close(uri);
        }
        const listing = await confined.open(path, recipe(`${outside.folder}/`));
        assert.deepEqual(await confined.completion(listing.uri, { line: 1, character: 11 + outside.folder.length + 1 }), []);
        await confined.stop();
      } finally {
        outside.remove();
        inside.remove();
      }
    });

    it("bombs, circles and texts that are no recipes get an answer to everything", async () => {
      const bomb = `l0: &l0 lol\n${Array.from({ length: 12 }, (_, i) => `l${i + 1}: &l${i + 1} [${Array.from({ length: 10 }, () => `*l${i}`).join(", ")}]`).join("\n")}\nmodels: *l12\nmerge_method: linear\n`;
      const circle = "name: one\nmodels: [{model: two, parameters: {weight: 1}}]\nmerge_method: linear\n---\nname: two\nmodels: [{model: one, parameters: {weight: 1}}]\nmerge_method: linear\n";
      for (const text of [bomb, circle, "", "\n\n", "- a\n", "models: [", "\t", "a: b: c", "---\n---\n", "{".repeat(10_000), "\u0000\ud800", "? x\n: y\n", "models:\n- model: models/a\n  parameters:\n"]) {
        const { uri } = await client.open(file, text);
        const end = { line: Math.max(0, text.split("\n").length - 1), character: 0 };
        await client.completion(uri, end);
        await client.hover(uri, end);
        await client.definition(uri, end);
        await client.symbols(uri);
        await client.folds(uri);
        await client.lenses(uri);
        await client.prepareRename(uri, end);
        await client.actions(uri, { start: { line: 0, character: 0 }, end });
        await client.close(uri);
      }
    });

    it("ten thousand lines", async () => {
      const slices = Array.from({ length: 2498 }, (_, i) => `  - sources:\n      - model: models/${i % 2 === 0 ? "a" : "b"}\n        layer_range: [1, 2]\n        parameters: {scale: 1.0}\n`).join("");
      const text = `slices:\n${slices}merge_method: passthrough\ndtype: bfloat16\nout_dtpye: float32\n`;
      const { uri, diagnostics } = await client.open(file, text);
      assert.deepEqual(diagnostics.map(({ code, range }) => [code, range.start.line + 1]), [["unknown-key", 2498 * 4 + 4]]);
      assert.equal((await client.symbols(uri))[0]!.children!.length, 2498);
      assert.ok(labels(await client.completion(uri, { line: 4 * 2498 + 3, character: 3 })).includes("out_dtype"));
      await client.close(uri);
    });
  });

  describe("completion", () => {
    const complete = (text: string): Promise<CompletionItem[]> => at(text, client.completion);

    it("keys where they stand, without those that are there", async () => {
      const document = labels(await complete("mo|"));
      for (const key of ["merge_method", "models", "slices", "modules", "base_model", "tokenizer_source", "chat_template", "profile"]) assert.ok(document.includes(key), key);
      assert.ok(!labels(await complete(`${TWO}merge_method: linear\n|\n`)).includes("models"));
      assert.deepEqual(labels(await complete("models:\n  - |\nmerge_method: linear\n")), ["model", "parameters"]);
      assert.deepEqual(labels(await complete("models:\n  - model: models/a\n    |\nmerge_method: linear\n")), ["parameters"]);
      assert.deepEqual(labels(await complete("models:\n  - {model: models/a, |}\nmerge_method: fisher\n")), ["parameters", "statistics"]);
      assert.deepEqual(labels(await complete("slices:\n- sources:\n  - model: models/a\n    |\nmerge_method: passthrough\n")), ["layer_range", "parameters"]);
      assert.deepEqual(labels(await complete(`${TWO}merge_method: linear\ntokenizer:\n  source: union\n  |\n`)), ["tokens", "pad_to_multiple_of"]);
      assert.deepEqual(labels(await complete("# mod|")), []);
    });

    it("methods with their parameters, at the level where each stands", async () => {
      const methods = await complete(`${TWO}merge_method: |\n`);
      assert.equal(methods.length, 22);
      assert.match(JSON.stringify(methods.find(({ label }) => label === "ties")), /trim keeps the density/);
      assert.deepEqual(labels(await complete("models:\n  - model: models/a\n    parameters:\n      |\nmerge_method: della\n")), ["weight", "density", "epsilon"]);
      assert.deepEqual(labels(await complete("models:\n  - {model: models/a, parameters: {weight: 1, |}}\nmerge_method: ties\n")), ["density"]);
      assert.ok(labels(await complete("merge_method: slerp\nparameters:\n  |\n")).includes("t"));
      assert.deepEqual(labels(await complete("merge_method: ties\nparameters:\n  normalize: |\n")), ["true", "false"]);
    });

    it("what it inserts leaves a recipe that reads as it should", async () => {
      const text = "models:\n  - model: models/a\n    |\nmerge_method: karcher\n";
      const { text: whole, position } = marked(text);
      const { uri } = await client.open(file, whole);
      const [item] = await client.completion(uri, position);
      await client.close(uri);
      const { newText, range } = item!.textEdit as { newText: string; range: { start: typeof position; end: typeof position } };
      const after = edited(whole, [{ range, newText: newText.replace("$0", "weight: 1") }]);
      assert.deepEqual(readRecipe(after, "x").documents[0]!.body, readRecipe("models:\n  - model: models/a\n    parameters:\n      weight: 1\nmerge_method: karcher\n", "x").documents[0]!.body);
    });

    it("model folders of this machine, adapters behind a plus, documents", async () => {
      scratch.write("adapters/l/adapter_config.json", {});
      const found = await complete("models:\n  - model: |\nmerge_method: linear\n");
      for (const path of ["models/", "models/a", "models/base", "adapters/l"]) assert.ok(found.some(({ textEdit }) => textEdit!.newText === path), path);
      const behind = await complete("models:\n  - model: models/a + adapters/|\nmerge_method: linear\n");
      assert.deepEqual(behind.map(({ textEdit }) => textEdit!.newText), ["models/a + adapters/l"]);
      assert.ok(labels(await complete("name: first\nmodels: [{model: models/a, parameters: {weight: 1}}]\nmerge_method: linear\n---\nmodels:\n  - model: |\nmerge_method: linear\n")).includes("first"));
    });

    it("layers and tensors from the headers", async () => {
      assert.deepEqual(labels(await complete("slices:\n  - sources:\n      - model: models/a\n        layer_range: |\nmerge_method: passthrough\n")), ["[0, 4]", "[0, 2]", "[2, 4]"]);
      assert.deepEqual(labels(await complete("slices:\n  - sources:\n      - {model: models/short, layer_range: [0, |]}\nmerge_method: passthrough\n")), ["0", "1", "2"]);
      const filters = labels(await complete("models:\n  - model: models/a\n    parameters:\n      weight:\n        - filter: |\nmerge_method: linear\n"));
      for (const filter of ['"*"', "mlp", "q_proj", "layers.3.", "lm_head"]) assert.ok(filters.includes(filter), filter);
    });

    it("words of dtypes, profiles, templates", async () => {
      assert.deepEqual(labels(await complete("dtype: |")), ["bfloat16", "float16", "float32", "float64", "int64"]);
      assert.deepEqual(labels(await complete("profile: |")), ["mergekit", "paper"]);
      assert.ok(labels(await complete("chat_template: |")).includes("chatml"));
    });
  });

  describe("hover", () => {
    const over = async (text: string): Promise<string> => textOf(await at(text, client.hover));

    it("a method: formula, defaults, paper", async () => {
      const text = await over(`${TWO}merge_method: ti|es\nbase_model: models/base\n`);
      for (const part of ["θ = θ₀ + λ", "| `density` | each model | 1 | 0 … 1 |", "https://arxiv.org/abs/2306.01708"]) assert.ok(text.includes(part), part);
    });

    it("what a gradient comes to in each layer", async () => {
      // Three points over four layers: t = 0, 1/3, 2/3, 1.
      const text = await over("models:\n  - model: models/a\n    parameters:\n      wei|ght: [0, 1, 0.5]\n  - model: models/b\n    parameters: {weight: 1}\nmerge_method: linear\n");
      assert.match(text, /layer 0 \*\*0\*\* · layer 1 \*\*0\.666667\*\* · layer 2 \*\*0\.833333\*\* · layer 3 \*\*0\.5\*\*/);
      // Also while the recipe cannot be planned.
      const alone = await over("models:\n  - model: models/a\n    parameters:\n      weight: [0, |1, 0.5]\n  - model: models/nowhere\nmerge_method: linear\n");
      assert.match(alone, /layer 1 \*\*0\.666667\*\* · layer 2 \*\*0\.833333\*\*/);
    });

    it("what filters come to, and what one matches", async () => {
      const recipe = (mark: (text: string) => string): string => mark("models:\n  - model: models/a\n    parameters:\n      weight:\n        - filter: mlp\n          value: [0, 1]\n        - value: 0.25\n  - model: models/b\n    parameters: {weight: 1}\nmerge_method: linear\n");
      const values = await over(recipe((text) => text.replace("weight", "wei|ght")));
      assert.match(values, /mlp\.down_proj\.weight.*layer 0 \*\*0\*\* · layer 1 \*\*0\.333333\*\*/);
      assert.match(values, /model\.norm\.weight.*: 0\.25/);
      const matched = await over(recipe((text) => text.replace("mlp", "m|lp")));
      assert.match(matched, /matches 12 of 39 tensors/);
      assert.match(matched, /`model\.layers\.\*\.mlp\.up_proj\.weight` × 4/);
    });

    it("a model by its header, a document, a key, a parameter", async () => {
      assert.match(await over(TWO.replace("models/a", "models/|a") + "merge_method: linear\n"), /LlamaForCausalLM[^]*39 tensors · [\d,]+ parameters · 4 layers \(0 … 3\) · BF16/);
      assert.match(await over("name: first\nmodels: [{model: models/a, parameters: {weight: 1}}]\nmerge_method: linear\n---\nmodels: [{model: fi|rst, parameters: {weight: 1}}]\nmerge_method: linear\n"), /document on line 1, linear, 39 tensors/);
      assert.match(await over(`${TWO}merge_method: linear\nout_|dtype: float32\n`), /type of the output/);
      assert.match(await over(`${TWO}merge_method: linear\nparameters: {norma|lize: false}\n`), /divide by the sum of the weights[^]*default true/);
    });
  });

  describe("navigation", () => {
    const CHAIN = "name: first\nmodels: [{model: models/a, parameters: {weight: 1}}]\nmerge_method: linear\n---\nmodels:\n  - {model: first, parameters: {weight: 1}}\n  - {model: models/b, parameters: {weight: 1}}\nbase_model: first\nmerge_method: ties\n";

    it("from a model to its file, from a name to the document", async () => {
      const model = await at(TWO.replace("models/a", "mod|els/a") + "merge_method: linear\n", client.definition);
      assert.equal(fileURLToPath(model!.uri), join(scratch.folder, "models", "a", "model.safetensors"));
      const document = await at(CHAIN.replace("base_model: first", "base_model: fi|rst"), client.definition);
      assert.deepEqual([document!.uri, document!.range.start], [pathToFileURL(file).href, { line: 0, character: 6 }]);
      assert.equal(await at("models:\n  - model: models/no|where\nmerge_method: linear\n", client.definition), null);
    });

    it("from an adapter's part of a reference to the adapter; to an index where there is one", async () => {
      cpSync(join(root, "test", "fixtures", "adapters", "lora-under-used"), join(scratch.folder, "models", "adapter"), { recursive: true });
      const adapter = await at("models:\n  - model: models/a + models/ad|apter\n    parameters: {weight: 1}\nmerge_method: linear\n", client.definition);
      assert.match(adapter!.uri, /models\/adapter\/adapter_model\.safetensors$/);
      scratch.write("models/shards/one.safetensors", safetensorsBytes(headerOf({ x: { dtype: "F32", shape: [1], bytes: 4 } }), 4));
      scratch.write("models/shards/model.safetensors.index.json", { metadata: {}, weight_map: { x: "one.safetensors" } });
      const sharded = await at("models:\n  - model: models/sh|ards\n    parameters: {weight: 1}\nmerge_method: linear\n", client.definition);
      assert.match(sharded!.uri, /models\/shards\/model\.safetensors\.index\.json$/);
    });

    it("renames a document wherever it is named, and nothing else", async () => {
      const edits = await at(CHAIN.replace("name: first", "name: fi|rst"), (uri, position) => client.rename(uri, position, "half-way"));
      assert.equal(edited(CHAIN, Object.values(edits!.changes!)[0]!), CHAIN.replaceAll("first", "half-way"));
      const fromUse = await at(CHAIN.replace("base_model: first", "base_model: |first"), client.prepareRename);
      assert.deepEqual(fromUse, { start: { line: 7, character: 12 }, end: { line: 7, character: 17 } });
      assert.equal(await at(TWO.replace("models/a", "mod|els/a") + "merge_method: linear\n", client.prepareRename), null);
      await assert.rejects(at(CHAIN.replace("name: first", "name: fi|rst"), (uri, position) => client.rename(uri, position, "a: b")), /made of letters/);
      assert.equal((await at(CHAIN.replace("name: first", "name: fi|rst"), client.references))!.length, 3);
    });

    it("symbols, folds and lenses of each document", async () => {
      const { uri } = await client.open(file, `# one\n# two\n${CHAIN}`);
      const [first, second] = await client.symbols(uri);
      assert.deepEqual([first!.name, first!.detail, second!.name, second!.detail], ["first", "linear", "document 2", "ties"]);
      assert.deepEqual(second!.children!.map(({ name, detail }) => [name, detail]), [["first", "base"], ["first", ""], ["models/b", ""]]);
      const folds = (await client.folds(uri)).map(({ startLine, endLine, kind }) => [startLine, endLine, kind]);
      assert.deepEqual(folds, [[0, 1, "comment"], [2, 4, "region"], [6, 10, "region"], [6, 8, undefined]]);
      const lenses = await client.lenses(uri);
      assert.deepEqual(lenses.map(({ command, range }) => [command!.title.replace(/^\$\(\w+\) /, ""), command!.arguments, range.start.line]), [
        ...["Run", "Preview", "Estimate"].map((title) => [title, [uri, 0], 2]),
        ...["Run", "Preview", "Estimate"].map((title) => [title, [uri, 1], 6]),
      ]);
      await client.close(uri);
    });
  });

  it("quick fixes put right what they are offered for", async () => {
    const text = `${TWO}merge_method: linaer\ndtpye: float32\n`;
    const { uri, diagnostics } = await client.open(file, text);
    let fixed = text;
    for (const { range } of diagnostics) {
      const [action] = await client.actions(uri, range);
      fixed = edited(fixed, action!.edit!.changes![uri]!);
    }
    assert.equal(fixed, `${TWO}merge_method: linear\ndtype: float32\n`);
    assert.deepEqual(await client.change(uri, fixed), []);
    await client.close(uri);
  });

  it("speaks over standard input and output as a process of its own", async () => {
    const child = spawn(process.execPath, [join(root, "dist", "recipe-server.js"), "--stdio"], { stdio: ["pipe", "pipe", "inherit"] });
    const other = await RecipeClient.over(child.stdout, child.stdin, { folder: scratch.folder });
    const { diagnostics } = await other.open(file, `${TWO}merge_method: linaer\n`);
    assert.deepEqual(errors(diagnostics), [["unknown-method", 6]]);
    await other.stop();
    child.stdin.end();
    child.kill();
  });
});

/** The line of the mistake in each recipe that must be refused, as `what` in its expect.json describes it. */
const REFUSED: Readonly<Record<string, number[]>> = {
  "err-base-without-weight": [8],
  "err-chat-template-unknown": [8],
  "err-dare-density-negative": [5],
  "err-della-epsilon-high": [6],
  "err-dtype-unknown": [13],
  "err-duplicate-model": [5],
  "err-layer-range-outside": [4],
  "err-layer-range-three": [4],
  "err-layer-range-type": [4],
  "err-missing-base": [8],
  "err-missing-model": [5],
  "err-missing-tensor": [5],
  "err-missing-weight": [5],
  "err-mixed-architectures": [5],
  "err-model-stock-two": [4],
  "err-models-and-slices": [11],
  "err-modules-unknown": [2],
  // Who needs whom, and a third document that needs one of them.
  "err-multi-cycle": [2, 6, 9],
  "err-multi-duplicate-name": [5],
  "err-no-inputs": [1],
  "err-normalize-not-a-boolean": [13],
  "err-passthrough-two": [3],
  "err-reference-two-adapters": [2],
  "err-shape-mismatch": [5],
  "err-slerp-no-base": [4],
  "err-slerp-no-t": [4],
  "err-slerp-t-on-model": [4],
  "err-slerp-three": [3],
  "err-slice-lengths": [4],
  "err-slice-without-base": [3],
  "err-token-force-without-source": [13],
  "err-token-id-outside": [14],
  "err-token-source-unknown": [14],
  "err-tokenizer-too-long": [5],
  "err-tokenizer-twice": [11],
  "err-unknown-method": [11],
  "err-vocabulary-mismatch": [5],
  "err-weight-not-a-number": [4],
  "err-yaml-not-a-mapping": [1],
  "err-yaml-syntax": [4],
};
