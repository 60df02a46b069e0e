/** The comparison's store against real pairs of models with planted differences: the host's answers from a real comparison. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Comparison } from "../../../src/analysis/compare/comparison";
import type { CompareHost, CompareView, CompareViewState } from "../../../src/protocol/compare";
import { connect, RpcError, type Handlers, type Remote } from "../../../src/protocol/rpc";
import { createStore } from "../../../webview/compare/create-store";
import { sectionText } from "../../../webview/compare/entry-texts";
import { looksText } from "../../../webview/compare/looks";
import { measureById } from "../../../webview/compare/measures";
import { pairingText } from "../../../webview/compare/pairing-text";
import { tableCsv, tableJson } from "../../../webview/compare/table-export";
import { createTreeModel } from "../../../webview/compare/tree-model";
import { root, Scratch, vectors } from "../../files";
import { CountedEngine } from "../analysis/engine";
import { until, wire } from "./wire";

const COMPARE = join(root, "test/fixtures/adapters/compare");
const BASE = join(root, "test/fixtures/adapters/base/llama-40/model.safetensors");
const MODELS = { a: "file:///a", b: "file:///b" };

interface Expected {
  different: { tensor: string; relative: number; changed_bitwise: number; delta_norm: number }[];
  equal: string[];
  totals: { tensors: number; equal: number; delta_norm: number; relative: number };
}

describe("the comparison's store", function () {
  this.timeout(30_000);
  let scratch: Scratch;
  let comparison: Comparison;
  let store: ReturnType<typeof createStore>;
  let view: Remote<CompareView> & { dispose(): void };
  let kept: CompareViewState[];
  let saved: { name: string; content: string }[];
  const engine = new CountedEngine();

  async function start(a: string, b: string, state?: CompareViewState): Promise<void> {
    comparison = new Comparison({ a, b, engine });
    kept = [];
    saved = [];
    const [page, host] = wire();
    const refuse = (): never => { throw new RpcError({ code: "unsupported", message: "Not here." }); };
    const handlers: Handlers<CompareHost> = {
      ready: () => comparison.snapshot(),
      drawn: () => undefined,
      analyse: async (request) => {
        const { done, failed, cancelled } = await comparison.analyse(request);
        return { done, failed: failed.length, cancelled };
      },
      stopAnalysis: () => comparison.stopAnalysis(),
      difference: ({ pair, binsPerDecade }, signal) => comparison.difference(pair, binsPerDecade, signal),
      histogram: ({ pair, of, ...binning }, signal) => comparison.histogram(pair, of, binning, signal),
      spectrum: ({ pair, of, mode }, signal) => comparison.spectrum(pair, of, mode, signal),
      structure: ({ pair }, signal) => comparison.structure(pair, signal),
      switchRule: ({ rule, on }) => comparison.switchRule(rule, on),
      pairUp: (pair) => comparison.pairUp(pair.a, pair.b),
      swap: () => comparison.swap(),
      reload: () => comparison.reload(),
      save: ({ name, content }) => { saved.push({ name, content }); return { path: `/somewhere/${name}` }; },
      copy: () => undefined,
      remember: () => undefined,
      recall: () => ({}),
      picture: refuse, values: refuse, modeSpectrum: refuse, subspaces: refuse, chooseMap: refuse, dropMap: refuse, saveMap: refuse,
      inspect: refuse, showLog: refuse, restartEngine: refuse,
    };
    view = connect<CompareView, CompareHost>(host, handlers);
    comparison.on({
      changed: (snapshot) => view.notify("changed", snapshot),
      results: (results) => view.notify("results", results),
      findings: (findings) => view.notify("findings", findings),
      progress: (progress) => view.notify("progress", progress),
    });
    store = createStore({ port: page, models: MODELS, restored: state, keep: (now) => kept.push(now), afterDrawing: (then) => then(), onCommand: () => undefined });
    await until(() => !store.loading.value);
  }
  async function compare(): Promise<void> {
    store.analyse(["difference"]);
    await until(() => store.remark.value?.text.startsWith("The comparison is done") === true);
    await until(() => store.progress.value?.running === false);
  }
  const expected = (pair: string): Expected => JSON.parse(readFileSync(join(COMPARE, pair, "expect.json"), "utf8")) as Expected;
  const nameOf = (entry: number): string => store.entries.value.list[entry]!.name;

  before(() => { scratch = new Scratch(); });
  after(async () => {
    scratch.remove();
    await engine.dispose();
  });
  afterEach(async () => {
    store.dispose();
    view.dispose();
    await comparison.dispose();
  });

  it("lists all pairs from the headers alone, and folds what is equal once that is known", async () => {
    const { different, equal, totals } = expected("head-sparse");
    await start(BASE, join(COMPARE, "head-sparse/tuned/model.safetensors"));
    const model = createTreeModel(store);
    assert.equal(store.entries.value.pairs, totals.tensors);
    assert.equal(model.sections.value.length, 0);
    await compare();
    const [section] = model.sections.value;
    assert.equal(sectionText(section!), "16 equal tensors");
    assert.deepEqual(section!.entries.map(nameOf).sort(), [...equal].sort());
    // The tree is of those that differ, and they come the largest relative change first.
    assert.deepEqual(model.flat.value.slice(0, different.length).map(nameOf), different.map(({ tensor }) => tensor));
    const rows = model.rows.value;
    assert.ok(rows.at(-1)!.kind === "section");
    model.expand(rows.at(-1)!, true);
    assert.equal(model.rows.value.length, rows.length + equal.length);
  });

  it("combines the pairs of a module as if they were one", async () => {
    const { different, totals } = expected("head-sparse");
    await start(BASE, join(COMPARE, "head-sparse/tuned/model.safetensors"));
    await compare();
    const all = Array.from({ length: store.entries.value.pairs }, (_, i) => i);
    const of = (id: string, entries = all): number => store.values.value.combine(measureById(id)!, entries).value;
    const close = (actual: number, wanted: number): void => assert.ok(Math.abs(actual / wanted - 1) < 1e-6, `${actual} instead of ${wanted}`);
    close(of("norm"), totals.delta_norm);
    close(of("relative"), totals.relative);
    const planted = different.map(({ tensor }) => all.find((entry) => nameOf(entry) === tensor)!);
    for (const [i, { relative, delta_norm: norm }] of different.entries()) {
      close(of("relative", [planted[i]!]), relative);
      close(of("norm", [planted[i]!]), norm);
    }
    // ‖Δ‖ of all is that of those that differ.
    close(of("norm", planted), totals.delta_norm);
  });

  it("lists what is only on one side, and pairs by hand", async () => {
    const a = scratch.write("left.safetensors", vectors({ same: 6, mine: 4, tall: 6 }));
    const b = scratch.write("right.safetensors", vectors({ same: 6, yours: 4, tall: 5 }));
    await start(a, b);
    const model = createTreeModel(store);
    assert.deepEqual(model.sections.value.map(sectionText), ["1 tensor of other shapes", "1 tensor only in A", "1 tensor only in B"]);
    assert.equal(pairingText(store.opened.value!), "1 paired by name, 1 reshaped, 1 only in A, 1 only in B");
    const { pairs } = store.opened.value!;
    store.host.notify("pairUp", { a: pairs.onlyInA[0]!, b: pairs.onlyInB[0]! });
    await until(() => store.entries.value.pairs === 2);
    assert.deepEqual(model.sections.value.map(({ id }) => id), ["reshaped"]);
    assert.equal(pairingText(store.opened.value!), "1 paired by name, 1 by rule, 1 reshaped");
  });

  it("switches a rule off and on again", async () => {
    await start(join(COMPARE, "prefixes/a/model.safetensors"), join(COMPARE, "prefixes/b/model.safetensors"));
    const [rule] = store.opened.value!.pairs.rules;
    assert.ok(store.entries.value.pairs > 0 && rule?.on === true);
    const before = store.entries.value.pairs;
    store.host.notify("switchRule", { rule: rule.id, on: false });
    await until(() => store.entries.value.pairs < before);
    assert.ok(store.entries.value.list.some(({ kind }) => kind === "onlyInA"));
    assert.equal(store.opened.value!.pairs.rules.find(({ id }) => id === rule.id)?.on, false);
    store.host.notify("switchRule", { rule: rule.id, on: true });
    await until(() => store.entries.value.pairs === before);
  });

  it("finds an entry by its own name and by B's", async () => {
    await start(join(COMPARE, "prefixes/a/model.safetensors"), join(COMPARE, "prefixes/b/model.safetensors"));
    const { a, b, name } = store.entries.value.list[0]!;
    assert.notEqual(a!.name, b!.name);
    for (const wanted of [name, b!.name]) {
      store.select({ kind: "models" });
      assert.ok(store.selectByName(wanted));
      assert.deepEqual(store.selection.value, { kind: "entry", entry: 0 });
    }
    assert.ok(!store.selectByName("no.such.tensor"));
  });

  it("keeps selection, tab and models over a reload, and exchanges A and B", async () => {
    await start(BASE, join(COMPARE, "head-sparse/tuned/model.safetensors"));
    assert.deepEqual(kept[0]?.models, MODELS);
    store.selectByName("model.layers.1.self_attn.o_proj.weight");
    store.tab.value = "pairs";
    store.swap();
    await until(() => store.opened.value?.a.overview.path.includes("head-sparse") === true);
    await until(() => kept.at(-1)?.models?.a === MODELS.b);
    const state = kept.at(-1)!;
    assert.equal(state.selection, "model.layers.1.self_attn.o_proj.weight");
    store.dispose();
    await start(BASE, join(COMPARE, "head-sparse/tuned/model.safetensors"), state);
    assert.equal(store.tab.value, "pairs");
    assert.ok(store.selection.value.kind === "entry" && nameOf(store.selection.value.entry) === "model.layers.1.self_attn.o_proj.weight");
  });

  it("says of models that cannot be read which and why", async () => {
    const missing = join(scratch.folder, "not-there.safetensors");
    await start(BASE, missing);
    assert.equal(store.opened.value, null);
    assert.equal(store.error.value?.wire.file, missing);
  });

  it("drops the numbers of a file that was rewritten, and names it", async () => {
    const b = scratch.write("tuned.safetensors", readFileSync(join(COMPARE, "head-sparse/tuned/model.safetensors")));
    await start(BASE, b);
    await compare();
    assert.ok(store.results.value.size > 0);
    scratch.write("tuned.safetensors", readFileSync(BASE));
    await comparison.reload();
    await until(() => (store.opened.value?.rewritten.length ?? 0) > 0);
    assert.deepEqual(store.opened.value?.rewritten, [b]);
    assert.equal(store.results.value.size, 0);
    await compare();
    assert.equal(store.totals.value?.equal, store.totals.value?.tensors);
  });

  it("exports what it shows", async () => {
    await start(BASE, join(COMPARE, "three-elements/b/model.safetensors"));
    await compare();
    const model = createTreeModel(store);
    const [head, first] = tableCsv(store, model.flat.value, ["relative", "changed"]).split("\r\n");
    assert.equal(head, "name,relative,changed");
    const relative = Number(first!.split(",")[1]);
    assert.ok(relative > 0 && relative < 1);
    const json = JSON.parse(tableJson(store, model.flat.value)) as { pairs: { a: string; relative: number }[]; onlyInA: string[]; totals: { equal: number } };
    assert.equal(json.pairs[0]?.relative, relative);
    assert.deepEqual(json.onlyInA, []);
    store.save("comparison.json", "{}");
    await until(() => saved.length === 1);
    assert.equal(store.remark.value?.text, "Saved /somewhere/comparison.json.");
  });
});

describe("what a change looks like, in a word", () => {
  it("names counts, and nothing where nothing stands out", () => {
    const structure = { share: 0.5, sentence: "" };
    assert.equal(looksText(undefined), "");
    assert.equal(looksText({ ...structure, kind: "none" }), "");
    assert.equal(looksText({ ...structure, kind: "low-rank", rank: 16 }), "rank 16");
    assert.equal(looksText({ ...structure, kind: "heads", indices: [1, 3] }), "2 heads");
    assert.equal(looksText({ ...structure, kind: "columns", indices: [7] }), "1 column");
    assert.equal(looksText({ ...structure, kind: "scaled", factor: 0.5 }), "× 0.5000");
  });
});
