/** Restricted Mode, and an engine path that leads nowhere. */
import assert from "node:assert/strict";
import { chmodSync, existsSync } from "node:fs";
import { TestHost } from "./harness";
import { Workspace } from "./models";

describe("Restricted Mode", () => {
  it("shows and analyses checkpoints with the bundled engine, and never runs the workspace's", async function () {
    if (process.platform === "win32") this.skip();
    const workspace = new Workspace("tiny-llama");
    const marker = workspace.path("was-run");
    workspace.write("evil.sh", `#!/bin/sh\ntouch "${marker}"\n`);
    chmodSync(workspace.path("evil.sh"), 0o755);
    workspace.write("mix.merge.yaml", "merge_method: passthrough\nbase_model: ..\nmodels:\n  - model: tiny-llama/checkpoint-100\n");
    const host = await TestHost.start({ trustAll: false });
    try {
      const window = await host.open({ folder: workspace.folder, theme: "dark", settings: { "weightLoupe.engine.path": workspace.path("evil.sh") } });
      await window.page.getByRole("button", { name: /Restricted Mode/ }).first().waitFor();
      await window.inspectFromExplorer("tiny-llama/checkpoint-1200/model.safetensors");
      const view = await window.inspector();
      await view.getByText(/LlamaForCausalLM/).first().waitFor();
      await window.command("Weight Loupe: Analyse Whole Model");
      await window.statusItem("engine running");
      await window.screenshot("restricted-mode");
      assert.equal(existsSync(marker), false);
      await window.openFile("mix.merge.yaml");
      await window.command("Weight Loupe: Estimate Merge");
      const merge = await window.inspector();
      await merge.getByText("Restricted Mode: recipes are checked", { exact: false }).waitFor();
      await merge.getByText(/outside/).first().waitFor();
      await window.screenshot("restricted-mode-merge");
      await merge.locator("vscode-button[disabled]", { hasText: "Run…" }).waitFor();
      await window.close();
    } finally {
      await host.stop();
      workspace.remove();
    }
  });
});

describe("an engine path that leads nowhere", () => {
  it("is reported once with what can be done; the structure is shown all the same", async () => {
    const workspace = new Workspace("tiny-llama");
    const host = await TestHost.start();
    try {
      const window = await host.open({ folder: workspace.folder, theme: "dark", settings: { "weightLoupe.engine.path": "/no/such/engine" } });
      await window.inspectFromExplorer("tiny-llama/checkpoint-1200/model.safetensors");
      const view = await window.inspector();
      await view.getByText(/LlamaForCausalLM/).first().waitFor();
      await window.statusItem("engine not available");
      const notifications = await window.notificationCenter();
      await notifications.getByText(/no engine at \/no\/such\/engine/).first().waitFor();
      for (const action of ["Retry", "Show Log", "Open Settings"]) await notifications.getByRole("button", { name: action }).waitFor();
      await window.screenshot("engine-missing");
      assert.equal(await notifications.locator(".notification-list-item").count(), 1);
      await notifications.getByRole("button", { name: "Open Settings" }).click();
      await window.page.getByText("weightLoupe.engine.path").first().waitFor();
      await window.close();
    } finally {
      await host.stop();
      workspace.remove();
    }
  });
});
