/** Several models of one base: chosen together in the Explorer, related in a panel. */
import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import path from "node:path";
import { TestHost, THEMES, type Theme, type Window } from "./harness";
import { Workspace } from "./models";

const ADAPTERS = path.join("test", "fixtures", "adapters");
const FOLDERS = { "llama-40": path.join("base", "llama-40"), rank16: path.join("compare", "rank16-f32", "tuned"), restored: path.join("compare", "shallow-restored", "tuned"), adapted: path.join("compare", "base-plus-adapter", "tuned"), adapter: path.join("compare", "base-plus-adapter", "adapter") };

describe("several models of one base", () => {
  let host: TestHost;
  let workspace: Workspace;

  before(async () => {
    host = await TestHost.start();
    workspace = new Workspace("silero-vad");
    for (const [name, from] of Object.entries(FOLDERS)) cpSync(path.join(ADAPTERS, from), workspace.path(name), { recursive: true });
  });
  after(async () => {
    await host.stop();
    workspace.remove();
  });

  /** Selects a file of each in the Explorer, and llama-40's as their base. */
  async function related(window: Window) {
    const files = Object.keys(FOLDERS).map((name) => `${name}/${name === "adapter" ? "adapter_model" : "model"}.safetensors`);
    // Folders are unfolded first: a click on one would end the selection.
    for (const file of files) await window.explorerItem(file);
    // The folder that was unfolded last is still selected; the files are to be selected, not opened.
    await (await window.explorerItem("adapter")).click({ modifiers: ["ControlOrMeta"] });
    for (const file of files) await (await window.explorerItem(file)).click({ modifiers: ["ControlOrMeta"] });
    await window.chooseInExplorer("rank16/model.safetensors", /^Weight Loupe: Relate Selected Models/);
    await window.page.getByRole("option", { name: /^llama-40/ }).click();
    const view = await window.inspector();
    await view.getByRole("heading", { name: /^4 models of llama-40/ }).waitFor();
    return view;
  }

  it("are related, and look so in every theme", async () => {
    const window = await host.open({ folder: workspace.folder, theme: "dark" });
    try {
      const view = await related(window);
      // The tuned model is the base with 0.7 of the adapter.
      await view.getByText(/^adapted\/model\.safetensors and adapter_model\.safetensors changed in the same direction \(cosine 1\.00\)/).waitFor();
      await view.getByRole("table", { name: "Each task vector in terms of the others" }).waitFor();
      for (const theme of Object.keys(THEMES) as Theme[]) {
        await window.follow(theme);
        await window.screenshot(`relations-${theme}`);
      }
      assert.deepEqual(window.refusals(), []);
    } finally {
      await window.close();
    }
  });
});
