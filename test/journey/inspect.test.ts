/** The ways in: right-click, double-click, palette, editor title, Reopen Editor With. */
import assert from "node:assert/strict";
import { TestHost, type Window } from "./harness";
import { Workspace } from "./models";

describe("inspecting a checkpoint", () => {
  let host: TestHost;
  let workspace: Workspace;
  let window: Window;

  before(async () => {
    host = await TestHost.start();
    workspace = new Workspace("tiny-llama", "tiny-llama-sharded");
  });
  after(async () => {
    await host.stop();
    workspace.remove();
  });
  beforeEach(async () => {
    window = await host.open({ folder: workspace.folder, theme: "dark" });
  });
  afterEach(() => window.close());

  it("by right-click in the Explorer shows the overview from the header", async () => {
    await window.inspectFromExplorer("tiny-llama/checkpoint-1200/model.safetensors");
    const view = await window.inspector();
    await view.getByRole("tab", { name: "Overview" }).waitFor();
    // Facts of the example: 20 F32 tensors in two layers, architecture from config.json beside it.
    for (const fact of [/LlamaForCausalLM/, /16\.2\s?k/i, /F32/]) await view.getByText(fact).first().waitFor();
    await window.screenshot("inspect-right-click");
    assert.deepEqual(window.refusals(), []);
  });

  it("by double-click opens a .safetensors in the inspector", async () => {
    await window.openFile("tiny-llama/checkpoint-100/model.safetensors");
    await (await window.inspector()).getByRole("tab", { name: "Overview" }).waitFor();
  });

  it("of an index by right-click shows all shards as one model", async () => {
    await window.inspectFromExplorer("tiny-llama-sharded/model.safetensors.index.json");
    const view = await window.inspector();
    await view.getByText(/2 (files|shards)/i).first().waitFor();
    await window.screenshot("inspect-index");
  });

  it("of an index open as text from the button in the editor's title", async () => {
    await window.openFile("tiny-llama-sharded/model.safetensors.index.json");
    await window.page.getByText("weight_map").first().waitFor();
    await window.page.locator(".editor-actions").getByRole("button", { name: "Inspect Checkpoint" }).click();
    await (await window.inspector()).getByRole("tab", { name: "Overview" }).waitFor();
  });

  it("from the palette offers the workspace's checkpoints when none is open", async () => {
    await window.command("Weight Loupe: Inspect Checkpoint");
    await window.page.getByRole("option", { name: /model\.safetensors.*checkpoint-1200/ }).first().click();
    await (await window.inspector()).getByText(/LlamaForCausalLM/).first().waitFor();
  });

  it("of an index with Reopen Editor With", async () => {
    await window.openFile("tiny-llama-sharded/model.safetensors.index.json");
    await window.page.getByText("weight_map").first().waitFor();
    await window.command("View: Reopen Editor With...");
    await window.page.getByRole("option", { name: /Weight Loupe/ }).first().click();
    await (await window.inspector()).getByRole("tab", { name: "Overview" }).waitFor();
  });
});
