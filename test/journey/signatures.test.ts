/** Robust weight signatures in the panel: models put into wells, layers chosen, a signature made, applied and taken off again. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type { FrameLocator } from "playwright-core";
import { TestHost, THEMES, type Theme, type Window } from "./harness";
import { Workspace } from "./models";

describe("signatures", () => {
  let host: TestHost;
  let workspace: Workspace;
  let window: Window;

  before(async () => {
    host = await TestHost.start();
  });
  after(() => host.stop());
  beforeEach(() => {
    workspace = new Workspace();
    for (const name of ["base", "clean", "fog", "contrast"]) workspace.write(`${name}.safetensors`, readFileSync(`examples/robust/${name}.safetensors`));
  });
  afterEach(async () => {
    await window.close();
    workspace.remove();
  });

  /** Picks a model of the workspace for the well with that hint. */
  const pick = async (view: FrameLocator, hint: RegExp, file: string): Promise<void> => {
    await view.getByRole("button", { name: hint }).click();
    const box = window.page.locator(".quick-input-widget:visible input").first();
    await box.fill(file);
    await window.page.getByRole("option", { name: new RegExp(`^${file}`) }).first().waitFor();
    await box.press("Enter");
    await view.getByTitle(workspace.path(file)).first().waitFor();
  };
  const measured = async (): Promise<FrameLocator> => {
    window = await host.open({ folder: workspace.folder, theme: "dark", settings: { "files.simpleDialog.enable": true } });
    // Only then the extension is there.
    await window.chooseInExplorer("clean.safetensors", /^Weight Loupe: Select for Compare/);
    await window.command("Weight Loupe: Robust Weight Signatures…");
    const view = await window.inspector();
    await pick(view, /pre-trained model/, "base.safetensors");
    await pick(view, /fine-tuned on clean data/, "clean.safetensors");
    await pick(view, /fine-tuned on corrupted data/, "fog.safetensors");
    await pick(view, /fine-tuned on corrupted data/, "contrast.safetensors");
    await view.getByRole("columnheader", { name: "contrast" }).waitFor();
    await view.getByRole("rowheader", { name: "conv5" }).waitFor();
    return view;
  };

  it("show where robust models differ, in every theme", async () => {
    const view = await measured();
    await view.getByText("Signatures patch the first 6 of 6 layers", { exact: false }).waitFor();
    const handle = view.getByRole("slider", { name: "Layers to patch" });
    await handle.focus();
    await handle.press("Home");
    await view.getByText("Signatures patch the first 1 of 6 layers", { exact: false }).waitFor();
    for (let i = 0; i < 3; i++) await view.getByRole("slider", { name: "Layers to patch" }).press("ArrowDown");
    await view.getByText("Signatures patch the first 4 of 6 layers", { exact: false }).waitFor();
    for (const theme of Object.keys(THEMES) as Theme[]) {
      await window.follow(theme);
      await window.screenshot(`signatures-${theme}`);
    }
    assert.deepEqual(window.refusals(), []);
  });

  it("are made, compared, applied, and taken off bit by bit", async () => {
    const view = await measured();
    await view.getByRole("button", { name: "Make 2 Signatures…" }).click();
    const box = window.page.locator(".quick-input-widget:visible input").first();
    await window.poll("the folder dialog", async () => ((await box.isVisible()) && (await box.inputValue()).startsWith(workspace.folder) ? true : undefined));
    await box.fill(`${workspace.folder}/`);
    await window.page.getByRole("button", { name: "Write Here" }).click();
    await view.getByRole("heading", { name: "How alike signatures are" }).waitFor();
    await view.getByText("0.297").first().waitFor();
    await view.getByRole("slider", { name: "α" }).first().fill("0.5");
    await window.screenshot("signatures-made-dark");
    await view.getByRole("button", { name: "Apply…" }).first().click();
    await window.saveAs(/clean-fog\.safetensors$/, workspace.path("patched.safetensors"));
    await view.getByText("Wrote patched.safetensors, and beside it what the original is restored from.").first().waitFor();
    await view.getByRole("button", { name: "Remove…" }).first().click();
    await box.fill("patched.safetensors");
    await window.page.getByRole("option", { name: /^patched\.safetensors/ }).first().waitFor();
    await box.press("Enter");
    await window.saveAs(/restored\.safetensors$/, workspace.path("back.safetensors"));
    await view.getByText("Wrote back.safetensors: the original, bit by bit.").first().waitFor();
    assert.ok(readFileSync(workspace.path("back.safetensors")).equals(readFileSync(workspace.path("clean.safetensors"))));
  });
});
