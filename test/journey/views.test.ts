/** Working in the inspector: tree and keyboard, a tensor's page, analysing with Stop, exporting. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { TestHost, type Window } from "./harness";
import { Workspace } from "./models";

describe("in the inspector", () => {
  let host: TestHost;
  let workspace: Workspace;
  let window: Window;

  before(async () => {
    host = await TestHost.start();
  });
  after(() => host.stop());
  beforeEach(async () => {
    workspace = new Workspace("tiny-llama", "silero-vad");
    await workspace.sparse("huge.safetensors", 400, 11_200);
    window = await host.open({ folder: workspace.folder, theme: "dark" });
  });
  afterEach(async () => {
    await window.close();
    workspace.remove();
  });

  it("the keyboard alone finds a tensor, opens it, and copies its name", async () => {
    await window.inspectFromExplorer("tiny-llama/checkpoint-1200/model.safetensors");
    const view = await window.inspector();
    await window.filter("layers.1.self_attn.q_proj");
    await window.page.keyboard.press("ArrowDown");
    await view.locator("[role=row]:focus, [role=row]:focus-within").first().waitFor();
    await window.page.keyboard.press("End");
    await window.page.keyboard.press("Enter");
    await view.getByRole("article", { name: "Tensor model.layers.1.self_attn.q_proj.weight" }).waitFor();
    await window.page.keyboard.press("c");
    await view.getByText(/^Copied/).first().waitFor();
    const clipboard = await window.page.evaluate("navigator.clipboard.readText()");
    assert.equal(clipboard, "model.layers.1.self_attn.q_proj.weight");
    await window.screenshot("view-keyboard");
  });

  it("a convolution's page says how it was flattened for its spectrum", async () => {
    await window.inspectFromExplorer("silero-vad/silero_vad_16k.safetensors");
    const view = await window.inspector();
    await window.filter("conv*.weight");
    await view.getByRole("treegrid").getByRole("row").last().click();
    await view.getByText(/flattened from/i).first().waitFor();
    await view.getByText(/stable rank/i).first().waitFor();
    await window.settled();
    await window.screenshot("view-convolution");
    assert.deepEqual(window.refusals(), []);
  });

  it("an analysis of a model that takes long shows its progress and stops when told", async () => {
    await window.inspectFromExplorer("huge.safetensors");
    const view = await window.inspector();
    await view.getByRole("button", { name: "Analyse whole model" }).first().click();
    await view.getByRole("progressbar", { name: "Analysis" }).waitFor();
    await view.getByText(/analysing \d+ %/).waitFor();
    await window.screenshot("view-analysing");
    await view.getByRole("button", { name: /stop/i }).first().click();
    await view.getByText(/analysis was stopped/).first().waitFor();
    await view.getByRole("progressbar", { name: "Analysis" }).waitFor({ state: "detached" });
  });

  it("a report is one file that needs nothing else", async () => {
    await window.inspectFromExplorer("tiny-llama/checkpoint-1200/model.safetensors");
    await window.analyse();
    await window.command("Weight Loupe: Export Report…");
    // The save dialog proposes a name beside the checkpoint.
    await window.saveAs(/^\/.*\/checkpoint-1200\/.*\.html$/, workspace.path("report.html"));
    await (await window.inspector()).getByText(/Saved .*report\.html/).first().waitFor();
    const report = readFileSync(workspace.path("report.html"), "utf8");
    for (const fact of ["LlamaForCausalLM", "<svg", "down_proj"]) assert.ok(report.includes(fact), fact);
    assert.doesNotMatch(report, /<script|<link|src="http|@import/i);
    const page = await window.page.context().newPage();
    await page.goto(`data:text/html;base64,${Buffer.from(report).toString("base64")}`);
    await page.screenshot({ path: "test/results/view-report.png" });
    await page.close();
  });
});
