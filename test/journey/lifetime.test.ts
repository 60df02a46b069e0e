/** What a view keeps: over moving its tab, reloading the window, and the file changing under it. */
import { readFileSync } from "node:fs";
import { TestHost, type Window } from "./harness";
import { Workspace } from "./models";

const MODEL = "tiny-llama/checkpoint-1200/model.safetensors";

describe("a view of a checkpoint", () => {
  let host: TestHost;
  let workspace: Workspace;
  let window: Window;

  before(async () => {
    host = await TestHost.start();
  });
  after(() => host.stop());
  beforeEach(async () => {
    workspace = new Workspace("tiny-llama");
    window = await host.open({ folder: workspace.folder, theme: "dark" });
    await window.inspectFromExplorer(MODEL);
    await window.filter("q_proj");
  });
  afterEach(async () => {
    await window.close();
    workspace.remove();
  });

  it("is as it was after the window is reloaded", async () => {
    await window.reload();
    await window.expectFilter("q_proj");
    await window.screenshot("lifetime-reloaded");
  });

  it("is as it was after another tab was in front", async () => {
    await window.openFile("tiny-llama/checkpoint-1200/config.json");
    await window.page.getByText("LlamaForCausalLM").first().waitFor();
    await window.page.getByRole("tab", { name: /model\.safetensors/ }).click();
    await window.expectFilter("q_proj");
  });

  it("is as it was after its tab moved to another group", async () => {
    await window.command("View: Move Editor into Next Group");
    await window.expectFilter("q_proj");
    await window.screenshot("lifetime-moved");
  });

  it("follows the file when a training run overwrites it, and keeps its place", async () => {
    const view = await window.inspector();
    const header = readFileSync(workspace.path(MODEL));
    // One name in other letters, in place: what changed is seen, and nothing else moves.
    header.write("Q_PROJ", header.indexOf("q_proj"), "latin1");
    workspace.write(MODEL, header);
    await view.getByRole("row", { name: /Q_PROJ/ }).first().waitFor();
    await window.expectFilter("q_proj");
    await window.screenshot("lifetime-overwritten");
  });
});
