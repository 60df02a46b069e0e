/** Two models compared in the panel: opened in every way, planted differences found and named, by keyboard, over a reload, as files change. */
import assert from "node:assert/strict";
import { cpSync, existsSync, readFileSync } from "node:fs";
import path from "node:path";
import type { FrameLocator } from "playwright-core";
import { TestHost, THEMES, type Theme, type Window } from "./harness";
import { safetensors, Workspace } from "./models";

const ADAPTERS = path.join("test", "fixtures", "adapters");

describe("a comparison", () => {
  let host: TestHost;
  let workspace: Workspace;
  let window: Window;

  before(async () => {
    host = await TestHost.start();
  });
  after(() => host.stop());
  beforeEach(() => {
    workspace = new Workspace();
    for (const name of ["base/llama-40", "base/llama-64", "compare/rank16-f32", "compare/permuted-neurons", "compare/head-sparse", "compare/hf-gguf"]) {
      cpSync(path.join(ADAPTERS, name), workspace.path(path.basename(name)), { recursive: true });
    }
  });
  afterEach(async () => {
    await window.close();
    workspace.remove();
  });

  const open = async (theme: Theme = "dark"): Promise<void> => { window = await host.open({ folder: workspace.folder, theme, settings: { "explorer.compactFolders": false } }); };
  const compared = async (): Promise<FrameLocator> => {
    const view = await window.inspector();
    await view.getByRole("region", { name: "What was found" }).waitFor();
    await view.getByText(/of \d+ pairs compared$/).waitFor();
    await view.getByText(/^comparing \d+ %/).waitFor({ state: "hidden" });
    return view;
  };
  const openPair = async (view: FrameLocator, name: string): Promise<void> => {
    await window.filter(`/^${name.replaceAll(".", "\\.")}$/`);
    await view.getByText(/^1 of \d/).first().waitFor();
    await view.getByRole("treegrid").getByRole("row").last().click();
    await view.getByRole("article", { name: `Pair ${name}` }).waitFor();
  };

  it("of two files selected in the Explorer finds an update of rank 16, and shows its page", async () => {
    await open();
    const base = await window.explorerItem("llama-40/model.safetensors");
    const tuned = await window.explorerItem("rank16-f32/tuned/model.safetensors");
    await base.click();
    // The Explorer follows the editor that this opens: only then is anything added to the selection.
    await window.inspector();
    await tuned.click({ modifiers: ["ControlOrMeta"] });
    await window.chooseOn(tuned, /^Weight Loupe: Compare Selected/);
    // It stands beside the inspector.
    await window.poll("two editors", async () => ((await window.page.locator(".editor-group-container").count()) === 2 ? true : undefined));
    await window.command("View: Close Editors in Other Groups");
    const view = await compared();
    await view.getByText(/rank.16/).first().waitFor();
    await view.getByText("21 paired by name").waitFor();
    await view.getByRole("row", { name: /8 equal tensors/ }).waitFor();
    await window.settled();
    await window.screenshot("compare-overview-dark");
    await openPair(view, "model.layers.0.self_attn.q_proj.weight");
    await view.getByText(/^This looks like a rank-16 update/).waitFor();
    await view.getByRole("figure", { name: /^Singular spectra of A, B and the change/ }).waitFor();
    await view.getByRole("figure", { name: /^Alignment of the left singular vectors/ }).waitFor();
    await window.settled();
    await window.screenshot("compare-pair-dark");
    assert.deepEqual(window.refusals(), []);
  });

  it("of files chosen one after the other finds permuted neurons and changed heads", async () => {
    await open();
    await window.compareFromExplorer("llama-40/model.safetensors", "permuted-neurons/permuted/model.safetensors");
    await (await compared()).getByText(/permut|other order|reordered/i).first().waitFor();
    // The first choice stays: another model is compared with it.
    await window.command("View: Close Editor");
    await window.chooseInExplorer("head-sparse/tuned/model.safetensors", /^Weight Loupe: Compare with Selected/);
    const view = await compared();
    await openPair(view, "model.layers.0.self_attn.o_proj.weight");
    // Planted: heads 1 and 3 of five.
    await view.getByText(/heads 1\D+3 of 5 changed/i).first().waitFor();
    await view.getByRole("figure", { name: /^Change of .* by head/ }).getByText("2 of 5 heads changed", { exact: true }).waitFor();
    await window.screenshot("compare-heads");
    assert.deepEqual(window.refusals(), []);
  });

  it("from the palette pairs Hugging Face's names with GGUF's, and shows what quantising costs", async () => {
    await open();
    await window.command("Weight Loupe: Compare Checkpoints…");
    await window.page.getByRole("option", { name: /model\.safetensors.*llama-64/ }).click();
    await window.page.getByRole("option", { name: /model-q8_0\.gguf/ }).click();
    const view = await compared();
    await openPair(view, "model.layers.0.mlp.down_proj.weight");
    await view.getByText("blk.0.ffn_down.weight").first().waitFor();
    // From the reference: 45.469614 dB.
    await view.getByRole("button", { name: "45.5", exact: true }).waitFor();
    await view.getByRole("region", { name: "Worst blocks" }).waitFor();
    await view.getByRole("tab", { name: "Mapping" }).click();
    await view.getByRole("heading", { name: /12 pairs by rule/ }).waitFor();
    await window.settled();
    await window.screenshot("compare-mapping-dark");
    assert.deepEqual(window.refusals(), []);
  });

  it("is walked by keyboard, comes back over a reload, and becomes a report", async () => {
    await open();
    await window.compareFromExplorer("llama-40", "rank16-f32/tuned");
    let view = await compared();
    await view.getByRole("row", { name: /self_attn/ }).first().click();
    await window.page.keyboard.press("g");
    await window.page.keyboard.press("t");
    await view.getByRole("grid", { name: "All pairs" }).waitFor();
    await window.page.keyboard.press("g");
    await window.page.keyboard.press("o");
    await view.getByRole("article", { name: /^Module / }).waitFor();
    await window.page.keyboard.press("Alt+ArrowLeft");
    await view.getByRole("grid", { name: "All pairs" }).waitFor();
    await openPair(view, "model.layers.1.mlp.gate_proj.weight");
    await window.page.waitForTimeout(600);
    await window.reload();
    view = await window.inspector();
    await view.getByRole("article", { name: "Pair model.layers.1.mlp.gate_proj.weight" }).waitFor();
    await view.getByText(/^This looks like a rank-16 update/).waitFor();
    await window.command("Weight Loupe: Export Report…");
    await window.saveAs(/\.html$/, workspace.path("report.html"));
    await window.poll("the report", () => Promise.resolve(existsSync(workspace.path("report.html")) ? true : undefined));
    const report = readFileSync(workspace.path("report.html"), "utf8");
    for (const expected of ["model.layers.1.mlp.gate_proj.weight", "rank-16 update", "<svg", "relative change"]) assert.ok(report.includes(expected), expected);
    assert.ok(!report.includes("undefined"));
  });

  it("of models with nothing in common says so and offers the mapping", async () => {
    workspace.write("one.safetensors", safetensors({ left: { shape: [2], values: [1, 2] } }));
    workspace.write("other.safetensors", safetensors({ right: { shape: [2], values: [1, 3] } }));
    await open("light");
    await window.compareFromExplorer("one.safetensors", "other.safetensors");
    const view = await window.inspector();
    await view.getByRole("heading", { name: "Nothing in common" }).waitFor();
    await window.screenshot("compare-nothing-light");
    await view.getByRole("button", { name: "Open the Mapping" }).click();
    await view.getByRole("grid", { name: "Tensors of A without a partner" }).getByRole("row", { name: /left/ }).click();
    await view.getByRole("grid", { name: "Tensors of B without a partner" }).getByRole("row", { name: /right/ }).click();
    await view.getByText("left ⇄ right").waitFor();
    await view.getByText("Pair These Two").click();
    await view.getByRole("heading", { name: "1 pair by rule" }).waitFor();
    await view.getByRole("tab", { name: "Overview" }).click();
    await view.getByText("0 of 1").waitFor();
  });

  it("says which file changed under it, and compares again when asked", async () => {
    await open();
    await window.compareFromExplorer("llama-40", "rank16-f32/tuned");
    let view = await compared();
    cpSync(workspace.path("head-sparse/tuned/model.safetensors"), workspace.path("rank16-f32/tuned/model.safetensors"));
    await view.getByText(/model\.safetensors changed on disk during the comparison/).waitFor();
    await window.screenshot("compare-changed");
    await view.getByRole("alert").getByText("Redo").click();
    view = await compared();
    await view.getByRole("row", { name: /16 equal tensors/ }).waitFor();
  });

  it("looks right in every theme", async () => {
    await open();
    await window.compareFromExplorer("llama-40", "rank16-f32/tuned");
    const view = await compared();
    for (const page of ["overview", "pair"] as const) {
      if (page === "pair") await openPair(view, "model.layers.0.self_attn.q_proj.weight");
      for (const theme of Object.keys(THEMES) as Theme[]) {
        await window.follow(theme);
        await window.screenshot(`compare-${page}-${theme}`);
      }
    }
    assert.deepEqual(window.refusals(), []);
  });
});

describe("a comparison of half a million tensors", () => {
  it("shows its structure, and scrolls", async () => {
    const workspace = new Workspace();
    const host = await TestHost.start();
    try {
      await workspace.manyTensors("one.safetensors", 500_000);
      await workspace.manyTensors("other.safetensors", 500_000);
      const window = await host.open({ folder: workspace.folder, theme: "dark" });
      await window.compareFromExplorer("one.safetensors", "other.safetensors");
      const view = await window.inspector();
      await view.getByText("500,000 paired by name").waitFor({ timeout: 60_000 });
      await view.getByRole("tab", { name: "Pairs" }).click();
      await view.getByRole("grid", { name: "All pairs" }).waitFor();
      await window.screenshot("compare-huge");
      await view.getByRole("row").nth(3).click();
      await window.page.keyboard.press("End");
      await view.getByRole("row", { name: /^model\./ }).last().waitFor();
      await window.close();
    } finally {
      await host.stop();
      workspace.remove();
    }
  });
});

describe("a comparison in Restricted Mode", () => {
  it("is shown and computed, and saves nothing", async () => {
    const workspace = new Workspace();
    for (const name of ["base/llama-40", "compare/head-sparse"]) cpSync(path.join(ADAPTERS, name), workspace.path(path.basename(name)), { recursive: true });
    const host = await TestHost.start({ trustAll: false });
    try {
      const window = await host.open({ folder: workspace.folder, theme: "dark" });
      await window.page.getByRole("button", { name: /Restricted Mode/ }).first().waitFor();
      await window.compareFromExplorer("llama-40", "head-sparse/tuned");
      const view = await window.inspector();
      await view.getByRole("row", { name: /16 equal tensors/ }).waitFor();
      await window.command("Weight Loupe: Export Report…");
      await view.getByText(/Saving files is off in Restricted Mode/).first().waitFor();
      await window.close();
    } finally {
      await host.stop();
      workspace.remove();
    }
  });
});
