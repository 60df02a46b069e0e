/** An adapter in the inspector: its ranks, what they are suggested to be, and what becomes of it by conversion. */
import assert from "node:assert/strict";
import { cpSync, existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { TestHost, type Window } from "./harness";
import { Workspace } from "./models";

const ADAPTERS = path.join("test", "fixtures", "adapters");

describe("an adapter", () => {
  let host: TestHost;
  let workspace: Workspace;
  let window: Window;

  before(async () => {
    host = await TestHost.start();
  });
  after(() => host.stop());
  beforeEach(async () => {
    workspace = new Workspace("silero-vad");
    for (const name of ["lora-under-used", path.join("base", "llama-32")]) cpSync(path.join(ADAPTERS, name), workspace.path(name), { recursive: true });
    window = await host.open({ folder: workspace.folder, theme: "dark" });
  });
  afterEach(async () => {
    await window.close();
    workspace.remove();
  });

  it("shows how much of its rank is used, and suggests less", async () => {
    await window.openFile("lora-under-used/adapter_model.safetensors");
    const view = await window.inspector();
    await view.getByRole("tab", { name: "Ranks" }).click();
    // Planted: 3 and 5 of 12 directions carry energy, 4 of the 5 hold .99 of it.
    await view.getByRole("img", { name: "12 allocated, 3 used at .99, 3 at .95, 2 at .9, 3 suggested" }).first().waitFor();
    await view.getByRole("img", { name: /^12 allocated, 4 used at .99/ }).first().waitFor();
    await view.getByText(/32 of 48 allocated directions/).waitFor();
    await window.settled();
    await window.screenshot("ranks");
    await view.getByRole("slider").fill("0.5");
    await view.getByText("50.0 % of Σσ²").waitFor();
    await view.getByRole("img", { name: /, 1 suggested$/ }).first().waitFor();
    await view.getByRole("button", { name: "Copy", exact: true }).last().click();
    await view.getByText(/^Copied rank_pattern/).first().waitFor();
    const patterns = JSON.parse(String(await window.page.evaluate("navigator.clipboard.readText()"))) as { rank_pattern: Record<string, number> };
    assert.equal(Object.keys(patterns.rank_pattern).length, 4);
    assert.deepEqual(window.refusals(), []);
  });

  it("becomes its updates by conversion", async () => {
    await window.chooseInExplorer("lora-under-used/adapter_model.safetensors", /Convert to safetensors/);
    await window.page.getByRole("option", { name: /ΔW of each module/ }).click();
    await window.saveAs(/adapter_model-delta\.safetensors$/, workspace.path("delta.safetensors"));
    await window.poll("the updates", () => Promise.resolve(existsSync(workspace.path("delta.safetensors")) ? true : undefined));
    const file = readFileSync(workspace.path("delta.safetensors"));
    const header = JSON.parse(file.subarray(8, 8 + Number(file.readBigUInt64LE())).toString()) as Record<string, { dtype?: string }>;
    assert.deepEqual(Object.keys(header).filter((name) => name !== "__metadata__").length, 4);
    assert.equal(header["model.layers.0.self_attn.o_proj.weight"]?.dtype, "F32");
  });
});
