/** Which value a parameter has for a tensor: levels, filters, gradients. Expected: mergekit 0.1.5's rules and numbers worked out by hand. */
import assert from "node:assert/strict";
import { parseCoefficients } from "../../../src/merge/methods/coefficients";
import { methodNamed, METHODS } from "../../../src/merge/methods/registry";
import { gradientAt, resolveParameters, type ResolvedParameters } from "../../../src/merge/methods/resolve";
import { groupsOf } from "../../../src/merge/recipe/check";
import { readRecipe } from "../../../src/merge/recipe/read";

/** Resolves all parameters of the recipe's first group for a tensor that is called the same in all models. */
function resolve(text: string, tensor: string, position = 0, files?: Record<string, string>): ResolvedParameters {
  const { documents } = readRecipe(text, "test.yml");
  const [document] = documents;
  const [group] = groupsOf(document!);
  const loaded = new Map(Object.entries(files ?? {}).map(([path, text]) => [path, parseCoefficients(text, path)]));
  const inputs = group!.inputs.filter(({ model }) => model.value.path !== group!.base?.value.path);
  return resolveParameters({
    method: methodNamed(document!.method!.value)!,
    at: document!.method!.at,
    output: { tensor, position, levels: group!.levels, files: loaded },
    inputs: inputs.map(({ model, parameters }) => ({ tensor, position, levels: [parameters, ...group!.levels], label: model.value.path, at: model.at, files: loaded })),
    unmatched: document!.unmatched?.value ?? null,
  });
}

const UP = "model.layers.1.mlp.up_proj.weight";
const Q = "model.layers.1.self_attn.q_proj.weight";
const NORM = "model.norm.weight";

describe("parameters: levels", () => {
  const text = `slices:
  - sources:
      - {model: base, layer_range: [0, 2]}
      - model: a
        layer_range: [0, 2]
        parameters:
          weight: [{filter: mlp, value: 0.9}]
          lambda: 5
      - {model: b, layer_range: [0, 2]}
    parameters:
      weight: [{filter: self_attn, value: 0.2}]
merge_method: task_arithmetic
base_model: base
parameters: {weight: 0.5, lambda: 0.8}
`;
  it("source before slice before global, the next level where no filter matches", () => {
    assert.deepEqual(resolve(text, UP).perModel.weight, [0.9, 0.5]);
    assert.deepEqual(resolve(text, Q).perModel.weight, [0.2, 0.2]);
    assert.deepEqual(resolve(text, NORM).perModel.weight, [0.5, 0.5]);
  });

  it("shared parameters skip the source", () => {
    assert.equal(resolve(text, UP).shared.lambda, 0.8);
  });

  it("a module's before the global one", () => {
    const modules = "modules:\n  default:\n    models: [{model: a, parameters: {weight: 1}}]\n    parameters: {normalize: false}\nmerge_method: linear\nparameters: {normalize: true}\n";
    assert.equal(resolve(modules, UP).shared.normalize, false);
  });

  it("defaults, converted as pydantic converts", () => {
    const values = resolve("models: [{model: a, parameters: {weight: '1e-1'}}, {model: b, parameters: {weight: true}}]\nbase_model: x\nmerge_method: della\nparameters: {normalize: 0, rescale: 'off'}\n", UP);
    assert.deepEqual(values.perModel, { weight: [0.1, 1], density: [1, 1], epsilon: [0.15, 0.15] });
    assert.deepEqual(values.shared, { normalize: false, rescale: false, lambda: 1, int8_mask: false });
    assert.deepEqual(values.problems, []);
  });
});

describe("parameters: filters", () => {
  const filtered = (entries: string, tensor: string, position = 0): unknown => resolve(`models:\n  - model: a\n    parameters:\n      weight: ${entries}\nmerge_method: linear\n`, tensor, position).perModel.weight?.[0];

  it("the first that matches wins; a value without a filter, or with * or null, matches all", () => {
    const entries = '[{filter: layers.1., value: 0.9}, {filter: mlp, value: 0.25}, {filter: "*", value: 0.5}, {filter: q_proj, value: 123}]';
    assert.deepEqual([UP, "model.layers.2.mlp.up_proj.weight", "model.layers.2.self_attn.q_proj.weight"].map((tensor) => filtered(entries, tensor)), [0.9, 0.25, 0.5]);
    assert.equal(filtered("[{filter: ~, value: 7}]", NORM), 7);
  });

  it("a value may be a gradient", () => {
    assert.equal(filtered("[{filter: mlp, value: [0, 1]}]", UP, 0.25), 0.25);
  });

  it("what no filter matches is missing; with unmatched: base the base's tensor stays, with error nothing is passed on", () => {
    const text = (more: string): string => `models:\n  - model: a\n    parameters:\n      weight: [{filter: mlp, value: 1}]\nbase_model: base\nmerge_method: ties\n${more}`;
    const missing = resolve(text(""), NORM);
    assert.deepEqual(missing.problems.map(({ code, at, tensor }) => [code, at.line, tensor]), [["missing-parameter", 4, NORM]]);
    const kept = resolve(text("unmatched: base\n"), NORM);
    assert.deepEqual([kept.keepBase, kept.problems], [true, []]);
    const refused = resolve(text("unmatched: error\nparameters: {weight: 1}\n"), NORM);
    assert.deepEqual(refused.problems.map(({ code, at }) => [code, at.line]), [["unmatched-tensor", 4]]);
    assert.deepEqual(resolve(text("unmatched: error\nparameters: {weight: 1}\n"), UP).problems, []);
  });

  it("coefficients from a file, by name and by pattern", () => {
    const text = "models: [{model: a, parameters: {weight: {file: w.json}}}]\nmerge_method: linear\nparameters: {weight: 9}\n";
    const files = { "w.json": JSON.stringify({ [UP]: 0.25, "*.self_attn.*": 0.5 }) };
    assert.deepEqual([UP, Q, NORM].map((tensor) => resolve(text, tensor, 0, files).perModel.weight![0]), [0.25, 0.5, 9]);
    assert.throws(() => parseCoefficients('{"a": "b"}', "w.json"), /w\.json, line 1: "a" should have a finite number/);
  });
});

describe("parameters: gradients", () => {
  it("three points over four layers", () => {
    const at = [0, 1 / 3, 2 / 3, 1].map((position) => gradientAt([0, 1, 0.5], position) as number);
    [0, 2 / 3, 5 / 6, 0.5].forEach((expected, i) => assert.ok(Math.abs(at[i]! - expected) < 1e-12, `${at[i]} at ${i}`));
  });

  it("truth values and text take the last point passed", () => {
    assert.deepEqual([0, 1 / 3, 2 / 3, 1].map((position) => gradientAt([false, true], position)), [false, false, false, true]);
    assert.deepEqual([0, 0.49, 0.5, 1].map((position) => gradientAt(["1e-1", 2, 3], position)), ["1e-1", "1e-1", 2, 3]);
  });

  it("whole numbers must come out whole", () => {
    const text = "models: [{model: a}]\nmerge_method: karcher\nparameters: {max_iter: [10, 20]}\n";
    assert.equal(resolve(text, UP, 0.5).shared.max_iter, 15);
    assert.deepEqual(resolve(text, UP, 0.25).problems.map(({ code, message }) => [code, message]), [["parameter-type", "max_iter is a whole number, not 12.5"]]);
  });

  it("an empty list says nothing", () => {
    assert.equal(resolve("models: [{model: a, parameters: {weight: []}}]\nmerge_method: linear\nparameters: {weight: 3}\n", UP).perModel.weight![0], 3);
  });
});

describe("parameters: what values do to a method", () => {
  it("della's bounds for each layer, dare's negative density, weights that cancel", () => {
    const della = "models: [{model: a, parameters: {weight: 1, density: [0.5, 0.9]}}]\nbase_model: x\nmerge_method: della\n";
    assert.deepEqual(resolve(della, UP, 0).problems, []);
    assert.deepEqual(resolve(della, UP, 1).problems.map(({ code, at }) => [code, at.line, at.column]), [["epsilon-range", 1, 54]]);
    const dare = "models: [{model: a, parameters: {weight: 1, density: [0.5, -0.5]}}]\nbase_model: x\nmerge_method: dare_ties\n";
    assert.deepEqual(resolve(dare, UP, 1).problems.map(({ code }) => code), ["parameter-range"]);
    const linear = "models: [{model: a, parameters: {weight: [1, -1]}}, {model: b, parameters: {weight: 1}}]\nmerge_method: linear\n";
    assert.deepEqual([resolve(linear, UP, 0).problems.length, resolve(linear, UP, 1).problems.map(({ code }) => code)], [0, ["weights-sum"]]);
  });
});

describe("registry of methods", () => {
  it("has mergekit's twenty with its arity and defaults, and two extensions", () => {
    const names = ["linear", "slerp", "nuslerp", "multislerp", "karcher", "task_arithmetic", "ties", "dare_linear", "dare_ties", "della", "della_linear", "breadcrumbs", "breadcrumbs_ties", "model_stock", "arcee_fusion", "nearswap", "sce", "ram", "ramplus_tl", "passthrough"];
    assert.deepEqual(METHODS.map(({ name }) => name).sort(), [...names, "fisher", "regmean"].sort());
    const truths = (parameter: string): string[] => METHODS.filter(({ parameters }) => parameters.find(({ name }) => name === parameter)?.default === true).map(({ name }) => name).sort();
    assert.deepEqual(truths("normalize"), ["della", "linear", "ties"]);
    assert.deepEqual(truths("rescale"), ["dare_linear", "dare_ties", "della", "della_linear"]);
    assert.deepEqual(METHODS.filter(({ base }) => base === "required").length, 15);
    assert.deepEqual(METHODS.filter(({ random }) => random).map(({ name }) => name).sort(), ["dare_linear", "dare_ties", "della", "della_linear"]);
  });

  it("makes a kernel's request of resolved values for every method", () => {
    for (const method of METHODS) {
      const inputs = Math.max(1, method.models.min);
      const asked = { tensor: UP, position: 0, levels: [] };
      const required = Object.assign(Object.create(null) as object, Object.fromEntries(method.parameters.filter(({ required }) => required).map(({ name }) => [name, { name: AT, at: AT, value: { kind: "scalar", value: 0.5 } }])));
      const levels = [required as never];
      const { shared, perModel, problems } = resolveParameters({ method, at: AT, output: { ...asked, levels }, inputs: Array.from({ length: inputs }, () => ({ ...asked, levels, label: "a", at: AT })), unmatched: null });
      assert.deepEqual(problems, []);
      const kernel = method.kernel({ inputs, shared, perModel, profile: "mergekit", seed: (input) => String(input) });
      for (const value of Object.values(kernel)) if (Array.isArray(value)) assert.equal(value.length, inputs, method.name);
    }
    const ranked = methodNamed("della")!.kernel({ inputs: 1, shared: { normalize: true, rescale: true, lambda: 1 }, perModel: { weight: [1], density: [0.5], epsilon: [0.1] }, profile: "mergekit", seed: () => "7" });
    assert.deepEqual(ranked, { name: "taskVectors", weights: [1], sparsify: { kind: "ranked", densities: [0.5], rescale: true, epsilons: [0.1], seeds: ["7"] }, elect: true, normalize: true, lambda: 1 });
  });
});

const AT = { line: 1, column: 1, endLine: 1, endColumn: 1 };
