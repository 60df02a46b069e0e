/** The view's store against a real checkpoint: two ends of one port, the host's answers from a real inspection. */
import assert from "node:assert/strict";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { Inspection } from "../../../src/analysis/inspection";
import { openCheckpoint } from "../../../src/checkpoint/registry";
import type { InspectHost, InspectView, ViewState } from "../../../src/protocol/inspect";
import { connect, RpcError, type Handlers, type Remote } from "../../../src/protocol/rpc";
import { createStore } from "../../../webview/inspect/create-store";
import { createTreeModel } from "../../../webview/inspect/tree-model";
import { root, Scratch } from "../../files";
import { CountedEngine } from "../analysis/engine";
import { until, wire } from "./wire";

const LLAMA = join(root, "examples/tiny-llama/checkpoint-1200/model.safetensors");
const SILERO = join(root, "examples/silero-vad/silero_vad_16k.safetensors");

describe("the view's store", function () {
  this.timeout(20_000);
  let scratch: Scratch;
  let inspection: Inspection;
  let store: ReturnType<typeof createStore>;
  let view: Remote<InspectView> & { dispose(): void };
  let remembered: ViewState[];
  let copied: string[];
  const engine = new CountedEngine();

  function start(path: string, state: ViewState = {}): void {
    inspection = new Inspection({ path, open: openCheckpoint, engine });
    remembered = [];
    copied = [];
    const [page, host] = wire();
    const refuse = (): never => { throw new RpcError({ code: "unsupported", message: "Not here." }); };
    const handlers: Handlers<InspectHost> = {
      ready: () => inspection.snapshot(),
      statistics: ({ tensor }, signal) => inspection.statistics(tensor, signal),
      norms: ({ tensor, points }, signal) => inspection.norms(tensor, points, signal),
      spectrum: ({ tensor, mode }, signal) => inspection.spectrum(tensor, mode, signal),
      analyse: async (request) => {
        const { done, failed, cancelled } = await inspection.analyse(request);
        return { done, failed: failed.length, cancelled };
      },
      stopAnalysis: () => inspection.stopAnalysis(),
      searchTable: ({ key, text, limit }) => inspection.searchTable(key, text, limit),
      adapter: () => inspection.adapter(),
      rankUsage: ({ base }, signal) => inspection.rankUsage(base, signal),
      chooseBase: refuse,
      copy: ({ text }) => { copied.push(text); },
      remember: (kept) => { remembered.push(kept); },
      recall: () => state,
      reload: () => inspection.reload(),
      histogram: refuse, blockScales: ({ tensor }, signal) => inspection.blockScales(tensor, signal), picture: refuse, values: refuse, duplicates: refuse, save: refuse, showLog: refuse,
      restartEngine: refuse, openAsText: refuse, openAsHex: refuse, openWholeModel: refuse,
    };
    view = connect<InspectView, InspectHost>(host, handlers);
    inspection.on({
      changed: (snapshot) => view.notify("changed", snapshot),
      results: (results) => view.notify("results", results),
      findings: (findings) => view.notify("findings", findings),
      progress: (progress) => view.notify("progress", progress),
    });
    store = createStore({ port: page, restored: undefined, keep: () => undefined, onCommand: () => undefined });
  }
  const tensor = (name: string): number => store.rows.value.findIndex((row) => row.name === name);

  beforeEach(() => { scratch = new Scratch(); });
  afterEach(async () => {
    store.dispose();
    view.dispose();
    await inspection.dispose();
    scratch.remove();
  });
  after(() => engine.dispose());

  it("shows the structure, then the numbers of every tensor once the model was analysed", async () => {
    start(LLAMA);
    assert.equal(store.loading.value, true);
    await until(() => store.overview.value !== null);
    assert.equal(store.rows.value.length, 20);
    store.analyse(["statistics", "norms"]);
    await until(() => store.remark.value !== null && store.progress.value?.running === false);
    await until(() => store.rows.value.every(({ shape }, i) => {
      const result = store.results.value.get(i);
      // A vector has no rows and columns to take norms of.
      return result?.statistics !== undefined && (shape.length < 2 || result.norms !== undefined);
    }));
    assert.equal(store.remark.value?.text, "The analysis is done.");
  });

  it("has the scales of quantised blocks", async () => {
    start(join(root, "test/fixtures/gguf/quants_simple.gguf"));
    await until(() => store.overview.value !== null);
    const { type, blocks, scales, zeros, histogram } = await store.host.call("blockScales", { tensor: tensor("blk.0.q8_0.weight") });
    assert.deepEqual([type, blocks, scales, zeros], ["Q8_0", 12, 12, 1]);
    assert.equal(histogram.counts.reduce((sum, count) => sum + count, 0), 11);
    await assert.rejects(store.host.call("blockScales", { tensor: tensor("output_norm.weight") }), /Only a whole tensor of quantised blocks has block scales/);
  });

  it("looks through a tokenizer that stays with the host", async () => {
    start(join(root, "test/fixtures/gguf/tokenizer.gguf"));
    await until(() => store.overview.value !== null);
    assert.deepEqual(store.overview.value?.tables, ["tokenizer.ggml.tokens"]);
    assert.deepEqual(await store.host.call("searchTable", { key: "tokenizer.ggml.tokens", text: "TOK49", limit: 2 }), {
      matches: [{ index: 56, text: "tok49" }, { index: 497, text: "tok490" }],
      total: 11,
    });
    await assert.rejects(store.host.call("searchTable", { key: "general.name", text: "x", limit: 2 }), /There is no list "general.name" in the metadata/);
  });

  it("knows an adapter for one, and asks for its rank usage", async () => {
    start(join(root, "test/fixtures/adapters/lora-under-used"));
    await until(() => store.adapter.value !== null);
    const { modules: factors, ...summary } = store.adapter.value!;
    assert.deepEqual(summary, { type: "LORA", base: "base/llama-32", needsBase: false });
    // Each pair of factors, A and B, makes one module of rank 12.
    assert.deepEqual(factors.map(({ tensor, rank, factors: pair }) => [tensor, rank, pair]), [
      ["model.layers.0.mlp.down_proj.weight", 12, [0, 1]], ["model.layers.0.self_attn.o_proj.weight", 12, [2, 3]],
      ["model.layers.1.mlp.down_proj.weight", 12, [4, 5]], ["model.layers.1.self_attn.o_proj.weight", 12, [6, 7]],
    ]);
    const { modules, suggestion } = await store.host.call("rankUsage", { base: join(root, "test/fixtures/adapters/base/llama-32") });
    assert.deepEqual(modules.map(({ rank, unused, suggestedRank }) => [rank, unused, suggestedRank]), [[12, 9, 3], [12, 9, 3], [12, 7, 4], [12, 7, 4]]);
    assert.ok(modules.every(({ relativeNorm, perRankNorms }) => relativeNorm! > 0 && perRankNorms!.length === 12));
    assert.ok(suggestion.parametersThen < suggestion.parametersNow);
    await store.host.call("reload", {});
    assert.equal(store.adapter.value?.type, "LORA");
  });

  it("does not take a model for an adapter", async () => {
    start(LLAMA);
    await until(() => store.overview.value !== null);
    assert.equal(await store.host.call("adapter", {}), null);
    assert.equal(store.adapter.value, null);
  });

  it("goes back and forward through tabs and selections", async () => {
    start(LLAMA);
    await until(() => store.overview.value !== null);
    const q = tensor("model.layers.0.self_attn.q_proj.weight");
    store.tab.value = "tensors";
    store.select({ kind: "tensor", tensor: q });
    assert.equal(store.tab.value, "overview");
    store.back();
    assert.deepEqual([store.tab.value, store.selection.value.kind], ["tensors", "model"]);
    store.back();
    assert.equal(store.canGoBack.value, false);
    store.forward();
    store.forward();
    assert.deepEqual(store.selection.value, { kind: "tensor", tensor: q });
    assert.equal(store.canGoForward.value, false);
  });

  it("takes up a remembered view by name, and remembers it again", async () => {
    start(LLAMA, { tab: "overview", selection: "group:model.layers.*.mlp", filter: "mlp", sort: { column: "l2", descending: true }, pages: { kept: 7 } });
    await until(() => store.selection.value.kind === "group");
    const selection = store.selection.value;
    assert.ok(selection.kind === "group" && selection.tensors.length === 6);
    const model = createTreeModel(store);
    assert.equal(model.filter.typed.value, "mlp");
    assert.equal(model.keptCount.value, 6);
    model.filter.typed.value = "attn";
    await until(() => remembered.length > 0);
    const { filter, sort, selection: name, pages } = remembered.at(-1)!;
    assert.deepEqual([filter, sort, name, pages?.["kept"]], ["attn", { column: "l2", descending: true }, "group:model.layers.*.mlp", 7]);
  });

  it("keeps the selection by name when the file changes, and says when it is gone", async () => {
    const path = join(scratch.folder, "model.safetensors");
    copyFileSync(LLAMA, path);
    start(path);
    await until(() => store.overview.value !== null);
    store.selectByName("model.norm.weight");
    copyFileSync(join(root, "examples/tiny-llama/checkpoint-100/model.safetensors"), path);
    const before = store.rows.value;
    await inspection.reload();
    await until(() => store.rows.value !== before);
    assert.deepEqual(store.selection.value, { kind: "tensor", tensor: tensor("model.norm.weight") });
    copyFileSync(SILERO, path);
    await inspection.reload();
    await until(() => store.rows.value.length === 15);
    assert.deepEqual(store.selection.value, { kind: "model" });
    assert.match(store.remark.value?.text ?? "", /model\.norm\.weight is no longer in the file/);
  });

  it("says why a file cannot be read", async () => {
    start(join(scratch.folder, "absent.safetensors"));
    await until(() => store.error.value !== null);
    assert.equal(store.loading.value, false);
    assert.equal(store.overview.value, null);
    assert.match(store.error.value!.file ?? "", /absent\.safetensors$/);
  });

  it("says when the host refuses, and copies what is asked", async () => {
    start(LLAMA);
    await until(() => store.overview.value !== null);
    store.copy("text", "the text");
    await until(() => copied.length === 1 && store.remark.value?.text === "Copied the text.");
    store.save("table.csv", "a,b");
    await until(() => store.remark.value?.error === true);
    assert.equal(store.remark.value?.text, "Not here.");
  });

  it("opens what hides a selection in the tree, and filters with a moment's notice of a bad pattern", async () => {
    start(LLAMA);
    await until(() => store.overview.value !== null);
    const model = createTreeModel(store);
    model.collapseAll();
    assert.equal(model.rows.value.length, 1);
    const row = model.reveal({ kind: "tensor", tensor: tensor("model.layers.1.mlp.up_proj.weight") });
    assert.equal(model.rows.value[row]?.node.tensor, tensor("model.layers.1.mlp.up_proj.weight"));
    model.filter.typed.value = "/(/";
    assert.match(model.filter.error.value ?? "", /not valid/);
    assert.equal(model.keptCount.value, 20);
    model.filter.typed.value = "/layers\\.1\\..*bias/";
    assert.equal(model.keptCount.value, 0);
    assert.equal(model.rows.value.length, 0);
  });
});
