/** Merging in a real window: a recipe from the palette, its preview beside it, a run, and runs that are stopped and killed half-way. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import type { FrameLocator } from "playwright-core";
import { TestHost, THEMES, type Theme, type Window } from "./harness";
import { Workspace } from "./models";

/** Weights that change over the layers and between kinds. */
const RECIPE = `merge_method: linear
models:
  - model: tiny-llama/checkpoint-1200
    parameters:
      weight: [0.2, 0.8]
  - model: tiny-llama/checkpoint-100
    parameters:
      weight:
        - filter: mlp
          value: 1
        - value: 0.5
dtype: bfloat16
`;

describe("merging", () => {
  let host: TestHost;
  let workspace: Workspace;
  let window: Window;

  before(async () => {
    host = await TestHost.start();
  });
  after(() => host.stop());
  beforeEach(() => {
    workspace = new Workspace("tiny-llama");
  });
  afterEach(async function () {
    if (this.currentTest?.state === "failed") await window.screenshot("merge-failed");
    await window.close();
    workspace.remove();
  });

  const pick = async (option: RegExp): Promise<void> => {
    await window.page.getByRole("option", { name: option }).first().click();
  };
  /** Opens a recipe and its panel. */
  const beside = async (): Promise<FrameLocator> => {
    await window.openFile("mix.merge.yaml");
    await lens(/Estimate/);
    const view = await window.inspector();
    await view.getByRole("button", { name: "Run…" }).waitFor();
    return view;
  };
  /** Clicks a lens over the recipe. They come with the language server, which a window that was just opened may take a while to start. */
  const lens = async (name: RegExp): Promise<void> => {
    const link = window.page.locator(".codelens-decoration a").filter({ hasText: name }).first();
    await link.waitFor({ timeout: 120_000 });
    await link.click();
  };
  const run = async (view: FrameLocator): Promise<void> => {
    await view.getByRole("button", { name: "Run…" }).click();
    await pick(/mix, a new folder/);
  };

  it("begins in the palette: models and a method become a recipe, and its run a model", async () => {
    window = await host.open({ folder: workspace.folder, theme: "dark", settings: { "files.simpleDialog.enable": true } });
    // Only then the extension is there.
    await window.explorerItem("tiny-llama/checkpoint-100/model.safetensors");
    await window.command("Weight Loupe: Merge Models…");
    for (const name of [/^checkpoint-100\b/, /^checkpoint-1200\b/]) await window.page.getByRole("checkbox", { name }).first().click();
    await window.page.locator(".quick-input-widget:visible").getByRole("button", { name: "OK" }).click();
    await pick(/^checkpoint-1200\b/);
    await window.page.locator(".quick-input-widget:visible input").first().fill("linear");
    await pick(/^linear\b/);
    await window.saveAs(/linear\.merge\.yaml$/, workspace.path("mix.merge.yaml"));
    const view = await window.inspector();
    await view.getByText("Nothing stands in the way of this merge.").waitFor();
    assert.match(readFileSync(workspace.path("mix.merge.yaml"), "utf8"), /^# Weighted average.*\nmerge_method: linear\nmodels:\n {2}- model: tiny-llama\/checkpoint-1200\n {4}parameters:\n {6}weight: 1\n {2}- model: tiny-llama\/checkpoint-100\n/);
    await run(view);
    await view.getByText(/^Wrote /).waitFor();
    await window.screenshot("merge-done-dark");
    await view.getByRole("button", { name: "Inspect Result" }).click();
    await window.page.getByRole("tab", { name: /model\.safetensors/ }).waitFor();
    // The merge's page stays beside it.
    const pages = window.page.locator("iframe.webview.ready:visible");
    await window.poll("the merged model in the inspector", async () => {
      for (const page of await pages.all()) if ((await page.contentFrame().frameLocator("#active-frame").getByText(/LlamaForCausalLM/).count()) > 0) return true;
      return undefined;
    });
    for (const file of ["config.json", "mergekit_config.yml", "README.md"]) assert.ok(existsSync(workspace.path(`mix/${file}`)), file);
  });

  it("begins with models selected in the Explorer", async () => {
    window = await host.open({ folder: workspace.folder, theme: "light", settings: { "files.simpleDialog.enable": true } });
    const files = ["tiny-llama/checkpoint-100/model.safetensors", "tiny-llama/checkpoint-1200/model.safetensors"] as const;
    // Folders are unfolded first: a click on one would end the selection.
    for (const file of files) await window.explorerItem(file);
    // The folder that was unfolded last is still selected; the files are to be selected, not opened.
    await (await window.explorerItem("tiny-llama/checkpoint-1200")).click({ modifiers: ["ControlOrMeta"] });
    for (const file of files) await (await window.explorerItem(file)).click({ modifiers: ["ControlOrMeta"] });
    await window.chooseInExplorer(files[0], /^Weight Loupe: Merge Selected/);
    await pick(/^checkpoint-100\b/);
    await window.page.locator(".quick-input-widget:visible input").first().fill("task_arithmetic");
    await pick(/^task_arithmetic\b/);
    await pick(/^Scaled sum\b/);
    await window.saveAs(/task-arithmetic\.merge\.yaml$/, workspace.path("mix.merge.yaml"));
    const view = await window.inspector();
    await view.getByText("Nothing stands in the way of this merge.").waitFor();
    assert.match(readFileSync(workspace.path("mix.merge.yaml"), "utf8"), /base_model: tiny-llama\/checkpoint-100\/model\.safetensors\n[^]*lambda: 0\.3\n/);
  });

  it("knows a recipe of any name by its first line", async () => {
    workspace.write("ours.yaml", `# weight-loupe: recipe\n${RECIPE}`);
    window = await host.open({ folder: workspace.folder, theme: "dark" });
    await window.openFile("ours.yaml");
    await lens(/Estimate/);
    const view = await window.inspector();
    await view.getByText("Nothing stands in the way of this merge.").waitFor();
  });

  it("marks mistakes in a recipe as they are typed, and puts them right by quick fixes", async () => {
    workspace.write("mix.merge.yaml", RECIPE.replace("merge_method: linear", "merge_metod: linear").replace("checkpoint-100\n", "checkpoint-10\n"));
    window = await host.open({ folder: workspace.folder, theme: "dark" });
    await window.openFile("mix.merge.yaml");
    const editor = window.page.locator(".monaco-editor");
    await editor.locator(".squiggly-error").first().waitFor({ timeout: 120_000 });
    await window.command("Weight Loupe: Estimate Merge");
    const view = await window.inspector();
    await view.getByRole("list", { name: "Problems" }).getByRole("button", { name: "line 1" }).first().waitFor();
    await window.screenshot("merge-mistakes-dark");
    // A line of the list puts the cursor there.
    for (const line of ["line 1", /^line [67]$/]) {
      await view.getByRole("list", { name: "Problems" }).getByRole("button", { name: line, exact: true }).first().click();
      await window.page.locator(".monaco-editor.focused").waitFor();
      const fix = window.page.locator(".action-widget").getByText(/merge_method|checkpoint-100/).first();
      await window.poll("the quick fix", async () => {
        if (!(await fix.isVisible())) await window.page.keyboard.press("ControlOrMeta+.");
        return fix.waitFor({ timeout: 3000 }).then(() => true, () => undefined);
      });
      if (line === "line 1") await window.screenshot("merge-quick-fix-dark");
      await window.page.keyboard.press("Enter");
    }
    await view.getByText("Nothing stands in the way of this merge.").waitFor();
    await window.page.locator(".codelens-decoration a").filter({ hasText: "Run" }).first().waitFor();
    assert.equal(await editor.locator(".squiggly-error").count(), 0);
  });

  it("is previewed beside the recipe, in every theme", async () => {
    workspace.write("mix.merge.yaml", RECIPE);
    window = await host.open({ folder: workspace.folder, theme: "dark", width: 1600, height: 1000 });
    const view = await beside();
    await view.getByRole("figure", { name: "weight by layer" }).waitFor();
    for (const theme of Object.keys(THEMES) as Theme[]) {
      await window.follow(theme);
      await window.screenshot(`merge-overview-${theme}`);
    }
    await view.getByRole("button", { name: "Preview" }).click();
    await view.getByRole("table", { name: "Preview by tensor" }).getByRole("button", { name: "model.layers.1.mlp.up_proj.weight" }).click();
    await view.getByRole("table", { name: "Read off the spectra" }).waitFor();
    for (const theme of Object.keys(THEMES) as Theme[]) {
      await window.follow(theme);
      await window.screenshot(`merge-preview-${theme}`);
    }
    assert.deepEqual(window.refusals(), []);
    assert.equal(existsSync(workspace.path("mix")), false);
  });

  it("goes on after it was stopped, and after the window was killed, to the same bytes", async function () {
    if (process.platform === "win32") this.skip();
    for (const [model, seed] of [["one", 1], ["two", 2]] as const) {
      await workspace.sparse(`${model}/model.safetensors`, 40, 4096);
      await workspace.mark(`${model}/model.safetensors`, seed);
    }
    workspace.write("mix.merge.yaml", "merge_method: linear\nmodels:\n  - model: one\n    parameters: {weight: 0.25}\n  - model: two\n    parameters: {weight: 0.75}\ndtype: bfloat16\n");
    window = await host.open({ folder: workspace.folder, theme: "dark" });
    let view = await beside();
    await run(view);
    await view.getByRole("button", { name: "Stop" }).click();
    await view.getByText(/^Stopped: \d+ of 80 tensors/).waitFor();
    await window.screenshot("merge-stopped-dark");
    await view.getByRole("button", { name: "Resume" }).click();
    await window.statusItem("Merging mix.merge.yaml");
    const journal = workspace.path(".mix.merging/journal");
    const before = statSync(journal).size;
    await window.poll("more in the journal", () => Promise.resolve(statSync(journal).size > before ? true : undefined));
    // The process that hosts the extension: it writes the output.
    process.kill(Number(readFileSync(workspace.path(".mix.merging/lock"), "utf8")), "SIGKILL");
    await window.reload();
    const notifications = await window.notificationCenter();
    await notifications.getByText(/The merge of mix\.merge\.yaml was interrupted: \d+ of 80 tensors are written\./).waitFor();
    assert.equal(existsSync(workspace.path("mix")), false);
    await window.screenshot("merge-interrupted-dark");
    await notifications.getByRole("button", { name: "Resume" }).click();
    view = await window.inspector();
    await view.getByText(/^Wrote /).waitFor({ timeout: 60_000 });
    assert.equal(existsSync(workspace.path(".mix.merging")), false);
    const whole = spawnSync(process.execPath, ["dist/cli.js", "merge", workspace.path("mix.merge.yaml"), "-o", workspace.path("whole")], { encoding: "utf8" });
    assert.equal(whole.status, 0, whole.stderr);
    assert.equal(digest(workspace.path("mix/model.safetensors")), digest(workspace.path("whole/model.safetensors")));
  });
});

function digest(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}
