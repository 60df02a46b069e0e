/** Reading recipes: what they mean, and each mistake at its line with the edit that puts it right. */
import assert from "node:assert/strict";
import type { Fix, Problem } from "../../../src/merge/problem";
import { compileFilter } from "../../../src/merge/recipe/filter";
import { readRecipe } from "../../../src/merge/recipe/read";
import type { MergeDocument } from "../../../src/merge/recipe/recipe";

const recipe = (text: string): ReturnType<typeof readRecipe> => readRecipe(text, "test.merge.yaml");

/** The one document of a recipe without problems. */
function clean(text: string): MergeDocument {
  const { documents, problems } = recipe(text);
  assert.deepEqual(problems, []);
  assert.equal(documents.length, 1);
  return documents[0]!;
}

const errors = (text: string): Problem[] => recipe(text).problems.filter(({ severity }) => severity === "error");
const warnings = (text: string): Problem[] => recipe(text).problems.filter(({ severity }) => severity === "warning");
const places = (problems: readonly Problem[]): [string, number, number][] => problems.map(({ code, at }) => [code, at.line, at.column]);

function apply(text: string, { at, text: replacement }: Fix): string {
  const lines = text.split("\n");
  const offset = (line: number, column: number): number => lines.slice(0, line - 1).reduce((sum, { length }) => sum + length + 1, 0) + column - 1;
  return text.slice(0, offset(at.line, at.column)) + replacement + text.slice(offset(at.endLine, at.endColumn));
}

/** The text after the first fix of its only error, which must leave none. */
function fixed(text: string): string {
  const [problem, ...more] = errors(text);
  assert.equal(more.length, 0, more[0]?.message);
  const after = apply(text, problem!.fixes![0]!);
  assert.deepEqual(errors(after), []);
  return after;
}

const TWO = "models:\n  - model: a\n    parameters:\n      weight: 0.5\n  - model: b\n    parameters:\n      weight: 0.5\n";

describe("recipes: what they mean", () => {
  it("models, references, dtypes, and where each stands", () => {
    const document = clean(`models:
  - model: ./a@main + lora@v2
    parameters: {weight: 1}
  - model: {model: {path: "odd+path@x"}, lora: l}
    parameters: {weight: 2}
base_model: base
merge_method: ties
dtype: torch.bfloat16
out_dtype: float32
`);
    assert.equal(document.body?.form, "models");
    assert.deepEqual(document.body.form === "models" && document.body.inputs.map(({ model }) => model.value), [
      { path: "./a", revision: "main", adapter: { path: "lora", revision: "v2" } },
      { path: "odd+path@x", adapter: { path: "l" } },
    ]);
    assert.deepEqual(document.base, { value: { path: "base" }, at: { line: 6, column: 13, endLine: 6, endColumn: 17 } });
    assert.deepEqual([document.method?.value, document.dtype?.value, document.outDtype?.value], ["ties", "bfloat16", "float32"]);
  });

  it("scalars are PyYAML's: 1e0 is text that counts as a number, yes is true, octal and separators are numbers", () => {
    const { parameters, body } = clean("models:\n  - model: 7\n    parameters: {weight: 1e0}\nmerge_method: linear\nparameters:\n  normalize: yes\n");
    assert.deepEqual(parameters.normalize?.value, { kind: "scalar", value: true });
    assert.equal(body?.form === "models" && body.inputs[0]!.model.value.path, "7");
    assert.deepEqual(body?.form === "models" && body.inputs[0]!.parameters.weight?.value, { kind: "scalar", value: "1e0" });
    const weight = (text: string): unknown => (recipe(`models: [{model: a, parameters: {weight: ${text}}}]\nmerge_method: linear\n`).documents[0]!.body as unknown as { inputs: { parameters: { weight: { value: unknown } } }[] }).inputs[0]!.parameters.weight.value;
    // What yaml.safe_load of PyYAML 6 gives for each.
    for (const [text, value] of [["0x1f", 31], ["010", 8], ["1_000", 1000], ["1.5e+3", 1500], ["1.5e3", "1.5e3"], [".5", 0.5], ["'1'", "1"], ["-.inf", -Infinity], ["y", "y"], ["On", true]] as const) assert.deepEqual(weight(text), { kind: "scalar", value }, text);
  });

  it("gradients, filters and files; a single mapping stands for a list of one", () => {
    const { parameters } = clean(`${TWO}merge_method: linear
parameters:
  normalize:
    filter: mlp
    value: [false, true]
`);
    const value = parameters.normalize?.value;
    assert.ok(value?.kind === "filters");
    assert.deepEqual(value.entries.map(({ filter, value }) => [filter?.value.text, value]), [["mlp", { kind: "gradient", values: [false, true] }]]);
    const file = clean("models: [{model: a, parameters: {weight: {file: learned.json}}}]\nmerge_method: linear\n");
    assert.deepEqual(file.body?.form === "models" && file.body.inputs[0]!.parameters.weight?.value, { kind: "file", path: "learned.json" });
  });

  it("filters: parts of names, globs over whole names, regular expressions", () => {
    const filter = (text: string): ((tensor: string) => boolean) => {
      const value = clean(`${TWO}merge_method: linear\nparameters:\n  normalize: [{filter: ${JSON.stringify(text)}, value: true}]\n`).parameters.normalize?.value;
      assert.ok(value?.kind === "filters");
      return (tensor) => value.entries[0]!.filter!.value.matches(tensor);
    };
    const up = "model.layers.12.mlp.up_proj.weight";
    assert.deepEqual(["mlp", "layers.1", "MLP", "*", "*.mlp.*", "mlp.*", "model.layers.{1,12}.*", "model.layers.?.*", "/layers\\.1\\d\\./", "/MLP/", "/MLP/i"].map((text) => filter(text)(up)), [true, true, false, true, true, false, true, false, true, false, true]);
  });

  it("regular expressions mean what they mean elsewhere, and take linear time", () => {
    const names = ["model.layers.0.self_attn.q_proj.weight", "model.layers.12.mlp.up_proj.weight", "lm_head.weight", "h_3/MLP/kernel", "ünïcode.weight", ""];
    for (const [source, flags] of [["layers\\.[0-3]\\.", ""], ["^model\\..*(?:q|k)_proj", ""], ["\\bmlp\\b", "i"], ["(?:layers|h)[._](\\d+)", ""], ["^lm_head", ""], ["weight$", ""], ["^.{3,14}$", ""], ["[^.]+\\.weight$", ""], ["ï", ""]] as const) {
      const filter = compileFilter(`/${source}/${flags}`);
      assert.deepEqual(names.map((name) => filter.matches(name)), names.map((name) => new RegExp(source, flags).test(name)), source);
    }
    // Backtracking would take 2^50000 steps, or 50000^4.
    const long = `${"a".repeat(50_000)}!`;
    for (const text of ["/(a+)+$/", "/(a|a)*b/", "/(?:a*)*c/", "*a*a*a*a*b"]) assert.equal(compileFilter(text).matches(long), false, text);
    for (const [text, message] of [
      ["/^(?!mlp)/", 'regular expressions have no "(?!" here: it cannot be matched in linear time'],
      ["/(a)\\1/", 'regular expressions have no "\\1" here: it cannot be matched in linear time'],
      ["/(a/", 'the regular expression is not valid: missing closing ) "(a"'],
      ["/a{9999}/", 'the regular expression is not valid: invalid repeat count "{9999}"'],
    ] as const) assert.throws(() => compileFilter(text), { message });
  });

  it("slices, modules, tokenizers, and the extensions", () => {
    const document = clean(`modules:
  default:
    slices:
      - sources:
          - {model: a, layer_range: [0, 2], parameters: {scale: 0.5}}
merge_method: passthrough
tokenizer:
  source: union
  tokens:
    <x>: {source: b}
    <y>: {source: {kind: model_token, model: b, token_id: 4}, force: true}
    <z>: {source: {kind: zero}}
  pad_to_multiple_of: 64
chat_template: chatml
profile: paper
seed: 7
unmatched: error
non_finite: error
`);
    assert.equal(document.body?.form, "modules");
    assert.deepEqual(document.tokenizer?.tokens.map(({ source, force }) => [source?.value, force]), [
      [{ kind: "model", model: { path: "b" } }, false],
      [{ kind: "model", model: { path: "b" }, id: 4 }, true],
      [{ kind: "zero" }, false],
    ]);
    assert.deepEqual([document.tokenizer?.padToMultipleOf?.value, document.profile?.value, document.seed?.value, document.unmatched?.value, document.nonFinite?.value], [64, "paper", 7, "error", "error"]);
  });

  it("several documents keep their texts apart", () => {
    const first = "name: one\nmodels: [{model: a, parameters: {weight: 1}}]\nmerge_method: linear\n";
    const second = "models: [{model: one, parameters: {weight: 1}}]\nmerge_method: linear\n";
    const { documents, problems } = recipe(`${first}---\n${second}`);
    assert.deepEqual(problems, []);
    assert.deepEqual(documents.map(({ text }) => text), [first, second]);
    assert.deepEqual(documents.map(({ at }) => at.line), [1, 5]);
  });

  it("anchors and merge keys, as PyYAML reads them", () => {
    const { body } = clean("models:\n  - &one {model: a, parameters: {weight: 1}}\n  - <<: *one\n    model: b\nmerge_method: linear\n");
    assert.deepEqual(body?.form === "models" && body.inputs.map(({ model, parameters }) => [model.value.path, parameters.weight?.value]), [
      ["a", { kind: "scalar", value: 1 }],
      ["b", { kind: "scalar", value: 1 }],
    ]);
  });
});

describe("recipes: mistakes at their place", () => {
  const cases: [string, string, [string, number, number][]][] = [
    ["indentation", "models:\n  - model: a\n    parameters:\n   weight: 0.5\nmerge_method: linear\n", [["yaml-syntax", 4, 4]]],
    ["a tab", "models:\n\t- model: a\n", [["yaml-syntax", 2, 1]]],
    ["a list", "- a\n- b\n", [["not-a-mapping", 1, 1]]],
    ["nothing", "# only this\n", [["empty", 1, 1]]],
    ["no method", "models: [{model: a, parameters: {weight: 1}}]\n", [["missing-method", 1, 1]]],
    ["no inputs", "merge_method: linear\n", [["no-inputs", 1, 1]]],
    ["an empty list of models counts as none", "merge_method: linear\nmodels: []\n", [["no-inputs", 1, 1]]],
    ["two forms", `${TWO}merge_method: linear\nslices: [{sources: [{model: a, layer_range: [0, 1]}]}]\n`, [["several-forms", 9, 1]]],
    ["two adapters", "models:\n  - model: a+b+c\n    parameters: {weight: 1}\nmerge_method: linear\n", [["model-reference", 2, 12]]],
    ["a number of three", "slices:\n  - sources:\n      - model: a\n        layer_range: [0, 2, 4]\nmerge_method: passthrough\n", [["layer-range", 4, 22]]],
    ["no layer", "slices:\n  - sources:\n      - model: a\n        layer_range: [3, 1]\nmerge_method: passthrough\n", [["layer-range", 4, 22]]],
    ["lengths", "slices:\n  - sources:\n      - {model: a, layer_range: [0, 4], parameters: {weight: 1}}\n      - {model: b, layer_range: [0, 3], parameters: {weight: 1}}\nmerge_method: linear\n", [["slice-lengths", 4, 33]]],
    ["both tokenizers", `${TWO}merge_method: linear\ntokenizer_source: base\ntokenizer: {source: union}\n`, [["tokenizer-twice", 10, 1]]],
    ["force alone", `${TWO}merge_method: linear\ntokenizer:\n  tokens:\n    <s>: {force: true}\n`, [["force-without-source", 11, 11]]],
    ["a template's name", `${TWO}merge_method: linear\nchat_template: vicuna\n`, [["chat-template", 9, 16]]],
    ["the base is missing in a slice", "slices:\n  - sources:\n      - {model: a, layer_range: [0, 4], parameters: {weight: 1}}\nmerge_method: ties\nbase_model: x\n", [["slice-without-base", 3, 17]]],
    ["no base", `${TWO}merge_method: ties\n`, [["missing-base", 8, 15]]],
    ["too few", "models: [{model: a}]\nbase_model: x\nmerge_method: model_stock\n", [["too-few-models", 3, 15]]],
    ["too many", "models:\n  - model: a\n  - model: b\nbase_model: x\nmerge_method: slerp\nparameters: {t: 0.5}\n", [["too-many-models", 3, 12]]],
    ["two to copy", "models:\n  - model: a\n  - model: b\nbase_model: a\nmerge_method: passthrough\n", [["too-many-models", 3, 12]]],
    ["one model twice", "models:\n  - {model: a, parameters: {weight: 1}}\n  - {model: a, parameters: {weight: 2}}\nmerge_method: linear\n", [["duplicate-model", 3, 13]]],
    ["text as a number", "models:\n  - model: a\n    parameters:\n      weight: heavy\nmerge_method: linear\n", [["parameter-type", 4, 15]]],
    ["a word as a truth value", `${TWO}merge_method: linear\nparameters: {normalize: maybe}\n`, [["parameter-type", 9, 25]]],
    ["no number", "models:\n  - model: a\n    parameters:\n      weight: .nan\nmerge_method: linear\n", [["parameter-range", 4, 15]]],
    ["a negative probability", "models:\n  - model: a\n    parameters: {weight: 1, density: -0.1}\nbase_model: x\nmerge_method: dare_ties\n", [["parameter-range", 3, 38]]],
    ["epsilon too high", "models:\n  - model: a\n    parameters:\n      weight: 1\n      density: 0.9\n      epsilon: 0.2\nbase_model: x\nmerge_method: della\n", [["epsilon-range", 6, 16]]],
    ["the default epsilon too high", "models:\n  - model: a\n    parameters:\n      weight: 1\n      density: 0.95\nbase_model: x\nmerge_method: della\n", [["epsilon-range", 5, 16]]],
    ["weights that cancel", "models:\n  - {model: a, parameters: {weight: 1}}\n  - {model: b, parameters: {weight: -1}}\nmerge_method: linear\n", [["weights-sum", 2, 37]]],
    ["no weight for the base", `${TWO}base_model: c\nmerge_method: linear\n`, [["missing-parameter", 8, 13]]],
    ["t under a model", "models:\n  - model: a\n    parameters:\n      t: 0.5\nbase_model: x\nmerge_method: slerp\n", [["misplaced-parameter", 4, 7]]],
    ["an expression that is none", `${TWO}merge_method: linear\nparameters:\n  normalize: [{filter: "/(/", value: true}]\n`, [["filter", 10, 24]]],
    ["no statistics", "models:\n  - model: a\n  - {model: b, statistics: b.safetensors}\nmerge_method: fisher\n", [["missing-statistics", 2, 12]]],
    ["names twice", "name: one\nmodels: [{model: a, parameters: {weight: 1}}]\nmerge_method: linear\n---\nname: one\nmodels: [{model: a, parameters: {weight: 1}}]\nmerge_method: linear\n", [["duplicate-name", 5, 7]]],
    ["a name that leads elsewhere", "name: ../one\nmodels: [{model: a, parameters: {weight: 1}}]\nmerge_method: linear\n", [["document-name", 1, 7]]],
    ["two without a name", "models: [{model: a, parameters: {weight: 1}}]\nmerge_method: linear\n---\nmodels: [{model: a, parameters: {weight: 1}}]\nmerge_method: linear\n", [["several-unnamed", 4, 1]]],
    ["an unknown alias", "models: *all\nmerge_method: linear\n", [["no-inputs", 1, 1], ["unknown-alias", 1, 9]]],
    ["a tag", "models: !!python/object:os.system [{model: a, parameters: {weight: 1}}]\nmerge_method: linear\n", [["tag", 1, 35]]],
  ];
  for (const [what, text, expected] of cases) {
    it(what, () => {
      assert.deepEqual(places(errors(text)), expected, JSON.stringify(errors(text), null, 1));
    });
  }

  it("circles of documents, once each, with all that are in them", () => {
    const document = (name: string | null, of: string): string => `${name === null ? "" : `name: ${name}\n`}models: [{model: ${of}, parameters: {weight: 1}}]\nmerge_method: linear\n`;
    const found = errors([document("one", "two"), document("two", "three"), document("three", "one"), document(null, "one")].join("---\n"));
    assert.deepEqual(places(found), [["cycle", 2, 18], ["cycle", 6, 18], ["cycle", 10, 18]]);
    assert.match(found[0]!.message, /one, two and three need each other/);
    assert.match(errors(document("self", "self"))[0]!.message, /needs itself/);
    assert.deepEqual(errors([document("one", "disk"), document("two", "one"), document(null, "two")].join("---\n")), []);
  });
});

describe("recipes: what mergekit drops without a word", () => {
  it("unknown keys at every level, with the nearest name as a fix", () => {
    const text = `models:
  - model: a
    parametres: {weight: 1}
    parameters: {weight: 1, wieght: 3}
merge_method: linear
tokeniser_source: base
normalize: false
`;
    const found = warnings(text);
    assert.deepEqual(places(found), [["unknown-key", 3, 5], ["unknown-parameter", 4, 29], ["unknown-key", 6, 1], ["unknown-key", 7, 1]]);
    assert.deepEqual(found.map(({ fixes }) => fixes?.[0]?.text), ["parameters", undefined, "tokenizer_source", undefined]);
    assert.match(found[3]!.message, /is a parameter: it stands under "parameters"/);
    assert.deepEqual(errors(text), []);
  });

  it("parameters a method does not have, or ignores", () => {
    const table = (method: string, parameters: string): [string, number, number][] => places(warnings(`models:\n  - model: a\n    parameters: ${parameters}\nbase_model: x\nmerge_method: ${method}\n`));
    assert.deepEqual(table("task_arithmetic", "{weight: 1, density: 0.5}"), [["ignored-parameter", 3, 29]]);
    assert.deepEqual(table("ties", "{weight: 1, gamma: 0.5}"), [["unknown-parameter", 3, 29]]);
    assert.deepEqual(table("ties", "{weight: 1, lambda: 0.5}"), [["misplaced-parameter", 3, 29]]);
    assert.deepEqual(table("ties", "{weight: 1, density: 1.5}"), [["parameter-range", 3, 38]]);
  });

  it("filters that can never be used, keys given twice", () => {
    assert.deepEqual(places(warnings(`models:
  - model: a
    parameters:
      weight:
        - {filter: mlp, value: 1}
        - {filter: mlp, value: 2}
        - value: 3
        - {filter: norm, value: 4}
  - model: b
    model: c
    parameters: {weight: 1}
merge_method: linear
`)), [["unused-filter", 6, 20], ["unused-filter", 8, 20], ["duplicate-key", 9, 5]]);
  });
});

describe("recipes: quick fixes", () => {
  it("put right what they are offered for", () => {
    assert.match(fixed(`${TWO}merge_method: linaer\n`), /merge_method: linear\n/);
    assert.match(fixed(`${TWO}merge_method: linear\ndtype: fp16\n`), /dtype: float16\n/);
    assert.match(fixed(`${TWO}merge_method: linear\nprofile: papre\n`), /profile: paper\n/);
    assert.match(fixed("models:\n  - model: a\n    parameters: {weight: 1}\n  - model: b # no weight\nmerge_method: linear\n"), /- model: b # no weight\n {4}parameters:\n {6}weight: 1\.0\n/);
    assert.match(fixed("models:\n  - {model: a, parameters: {weight: 1}}\n  - {model: b}\nmerge_method: linear\n"), /\{model: b, parameters: \{weight: 1\.0\}\}/);
    assert.match(fixed("models:\n  - model: a\n    parameters:\n      density: 0.5\nbase_model: x\nmerge_method: ties\n"), / {6}weight: 1\.0\n {6}density: 0\.5\n/);
    assert.match(fixed("models:\n  - model: a\nbase_model: x\nmerge_method: slerp\n"), /parameters:\n {2}t: 0\.5\nmerge_method: slerp/);
    assert.match(fixed("models:\n  - model: a\n    parameters: {t: 0.2}\nbase_model: x\nmerge_method: slerp\n"), /\nparameters:\n {2}t: 0\.5\nmerge_method/);
    assert.match(fixed("models:\n  - model: a\n  - model: b\nmerge_method: slerp\nparameters: {t: 0.5}\n"), /base_model: a\nmerge_method: slerp/);
  });
});

describe("recipes: hostile and huge texts", () => {
  it("a YAML bomb is not unfolded", () => {
    const levels = Array.from({ length: 12 }, (_, i) => `l${i + 1}: &l${i + 1} [${Array.from({ length: 10 }, () => `*l${i}`).join(", ")}]`);
    const { problems } = recipe(`l0: &l0 lol\n${levels.join("\n")}\nmodels: *l12\nmerge_method: linear\n`);
    assert.ok(problems.length < 50);
    assert.ok(problems.some(({ code, severity }) => code === "not-a-mapping" && severity === "error"));
  });

  it("nor one of merge keys; one that holds itself is refused", () => {
    const levels = Array.from({ length: 40 }, (_, i) => `  - &m${i + 1} {<<: [*m${i}, *m${i}], k${i}: 1}`);
    const bomb = recipe(`x:\n  - &m0 {a: 1}\n${levels.join("\n")}\nmodels: [*m40]\nmerge_method: linear\n`);
    assert.deepEqual(bomb.problems.filter(({ severity }) => severity === "error").map(({ code }) => code), ["merge-key", "missing-key"]);
    const circle = recipe("models:\n  - &m\n    <<: *m\n    model: a\nmerge_method: linear\n");
    assert.ok(circle.problems.some(({ code, at }) => code === "merge-key" && at.line === 3));
  });

  it("nesting that the parser would not survive is refused before it", () => {
    for (const text of [`models: ${"[".repeat(100_000)}`, Array.from({ length: 5000 }, (_, i) => `${" ".repeat(i)}a:`).join("\n"), `${"---\na: 1\n".repeat(5000)}`]) assert.deepEqual(recipe(text).problems.map(({ code }) => code), ["too-large"]);
    assert.deepEqual(recipe("a".repeat(5 << 20)).problems.map(({ code }) => code), ["too-large"]);
  });

  it("10,000 lines are read, with a mistake on the last found there", () => {
    const models = Array.from({ length: 3332 }, (_, i) => `  - model: m${i}\n    parameters:\n      weight: 0.5\n`).join("");
    const text = `models:\n${models}base_model: x\nmerge_method: ties\ndtpye: float32\n`;
    const { documents, problems } = recipe(text);
    assert.equal(text.split("\n").length - 1, 10_000);
    assert.deepEqual(places(problems), [["unknown-key", 10_000, 1]]);
    assert.equal(documents[0]!.body?.form === "models" && documents[0]!.body.inputs.length, 3332);
  });

  it("a thousand problems are not all listed", () => {
    const { problems } = recipe(`models:\n${"  - model: [a]\n".repeat(2000)}merge_method: linear\n`);
    assert.ok(problems.length <= 502, String(problems.length));
    assert.ok(problems.some(({ code }) => code === "too-many-problems"));
  });

  it("never throws, whatever is cut off", () => {
    const text = "models:\n  - model: a+b@c\n    parameters: {weight: [1, 2], x: {filter: '*', value: 3}}\nslices: [{sources: [{model: {path: x}, layer_range: [0, 1]}]}]\nmerge_method: ties\ntokenizer: {tokens: {<a>: {source: {kind: zero}}}}\n---\nname: x\n";
    for (let end = 0; end <= text.length; end++) recipe(text.slice(0, end));
    for (let start = 0; start < text.length; start++) recipe(text.slice(start));
  });
});
