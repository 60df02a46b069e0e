import assert from "node:assert/strict";
import * as vscode from "vscode";
import { closeAll, extension, inspectorTabs, inWorkspace, LLAMA, until } from "./support";

// The first of the suites by name: the host is fresh.
describe("activation", () => {
  after(closeAll);

  it("waits until a checkpoint is opened", async () => {
    assert.equal(extension().isActive, false);
    await vscode.window.showTextDocument(inWorkspace("examples", "README.md"));
    assert.equal(extension().isActive, false);
    await vscode.commands.executeCommand("vscode.open", inWorkspace(...LLAMA));
    await until("an inspector tab", () => inspectorTabs()[0]);
    await until("activation", () => extension().isActive);
  });
});
