/** States a page can be in besides the usual: broken, empty, huge. */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { TestHost, type Window } from "./harness";
import { safetensors, Workspace } from "./models";

describe("unusual checkpoints", () => {
  let host: TestHost;
  let workspace: Workspace;
  let window: Window;

  before(async () => {
    host = await TestHost.start();
  });
  after(() => host.stop());
  beforeEach(() => {
    workspace = new Workspace("tiny-llama-sharded");
  });
  afterEach(async () => {
    await window.close();
    workspace.remove();
  });

  const inspect = async (file: string) => {
    window = await host.open({ folder: workspace.folder, theme: "dark" });
    await window.inspectFromExplorer(file);
    return window.inspector();
  };

  it("malformed: one sentence, and a way to the log and to the bytes", async () => {
    const file = safetensors({ weight: { shape: [2], values: [1, 2] } });
    workspace.write("short.safetensors", file.subarray(0, file.length - 2));
    const view = await inspect("short.safetensors");
    // Written: 8 data bytes are promised, 6 are there.
    await view.getByText(/\b6\b/).first().waitFor();
    await window.screenshot("state-malformed");
    for (const name of [/Retry|Reload/, /Open as Hex/, /Open as Text/]) await view.getByRole("button", { name }).waitFor();
    await view.getByRole("button", { name: /Show Log/ }).click();
    await window.page.locator(".part.panel .view-line").filter({ hasText: "short.safetensors" }).first().waitFor();
    // Mended on disk, it appears without being asked for.
    workspace.write("short.safetensors", file);
    await view.getByRole("tab", { name: "Overview" }).waitFor();
  });

  it("empty: says so", async () => {
    workspace.write("empty.safetensors", safetensors({}));
    const view = await inspect("empty.safetensors");
    await view.getByText(/no tensors/i).first().waitFor();
    await window.screenshot("state-empty");
  });

  it("hostile names are text", async () => {
    const name = '<img src=x onerror="document.title=1"></script>\u202e\n';
    workspace.write("hostile.safetensors", safetensors({ [name]: { shape: [1], values: [1] } }));
    const view = await inspect("hostile.safetensors");
    await view.getByText(/<img src=x/).first().waitFor();
    assert.equal(await view.locator("img[src=x]").count(), 0);
    await window.screenshot("state-hostile-names");
  });

  it("100 GB, sparse: opens like a small one", async () => {
    const bytes = await workspace.sparse("huge.safetensors", 400, 11_200);
    assert.ok(bytes > 100e9);
    const view = await inspect("huge.safetensors");
    await view.getByText("100 GB").first().waitFor();
    await view.getByText(/400 layers/).first().waitFor();
    await window.screenshot("state-100-gigabytes");
  });

  it("half a million tensors: listed, and the last row is a key away", async () => {
    await workspace.manyTensors("experts.safetensors", 500_000);
    const view = await inspect("experts.safetensors");
    await view.getByRole("tab", { name: "Tensors" }).click();
    const grid = view.getByRole("grid").or(view.getByRole("treegrid")).last();
    await grid.focus();
    await window.page.keyboard.press("End");
    await view.getByRole("row", { name: /layers\.99\.mlp\.experts\.\d+\.\w+/ }).first().waitFor();
    await window.screenshot("state-half-a-million");
  });

  it("a missing shard: its tensors are listed as missing, the rest is there", async () => {
    rmSync(workspace.path("tiny-llama-sharded/model-00002-of-00002.safetensors"));
    const view = await inspect("tiny-llama-sharded/model.safetensors.index.json");
    await view.getByText(/model-00002-of-00002\.safetensors.*missing|missing.*model-00002-of-00002/i).first().waitFor();
    await window.screenshot("state-missing-shard");
  });
});
