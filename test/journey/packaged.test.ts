/** What users get is what is tested: the packaged extensions, installed into a clean VS Code. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { TestHost } from "./harness";
import { Workspace } from "./models";

describe("the packaged extension", () => {
  const out = mkdtempSync(path.join(os.tmpdir(), "weight-loupe-vsix-"));
  let packages: string[];

  before(() => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ["scripts/package.mjs", "--no-build", "--out", out], { encoding: "utf8" });
    assert.equal(status, 0, `${stdout}\n${stderr}`);
    packages = readdirSync(out).map((name) => path.join(out, name));
    assert.equal(packages.length, 2);
  });
  after(() => rmSync(out, { recursive: true, force: true }));

  for (const { kind, target } of [
    { kind: "for this platform computes", target: true },
    { kind: "for all platforms shows the structure and says what it cannot do", target: false },
  ]) {
    it(kind, async () => {
      const vsix = packages.find((name) => path.basename(name).includes(`-${process.platform}-${process.arch}`) === target);
      assert.ok(vsix);
      const workspace = new Workspace("tiny-llama");
      const host = await TestHost.start({ extension: null, vsix });
      try {
        const window = await host.open({ folder: workspace.folder, theme: "dark" });
        await window.inspectFromExplorer("tiny-llama/checkpoint-1200/model.safetensors");
        const view = await window.inspector();
        await view.getByText("LlamaForCausalLM").first().waitFor();
        await window.command("Weight Loupe: Analyse Whole Model");
        if (target) {
          await window.statusItem("engine running");
        } else {
          await window.statusItem("engine not available");
          await view.getByText(/no engine/i).first().waitFor();
        }
        await window.screenshot(`packaged-${target ? "platform" : "universal"}`);
        await window.close();
      } finally {
        await host.stop();
        workspace.remove();
      }
    });
  }
});
