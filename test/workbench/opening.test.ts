import assert from "node:assert/strict";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import * as vscode from "vscode";
import type { Snapshot } from "../../src/protocol/inspect";
import { api, closeAll, extension, inspectorTabs, inWorkspace, LLAMA, until, vectorFile } from "./support";

async function snapshotOf(uri: vscode.Uri): Promise<Snapshot> {
  const document = (await api()).open(uri);
  try {
    return await (await document.checkpoint.inspection()).snapshot();
  } finally {
    document.dispose();
  }
}

describe("opening a checkpoint", () => {
  afterEach(closeAll);

  it("uses the inspector for *.safetensors by default", async () => {
    await vscode.commands.executeCommand("vscode.open", inWorkspace(...LLAMA));
    const tab = await until("an inspector tab", () => inspectorTabs()[0]);
    assert.equal(tab.input.viewType, "weightLoupe.inspect");
    assert.equal(extension().isActive, true);
  });

  it("leaves an index to the text editor, and inspects it on command", async () => {
    const index = inWorkspace("examples", "tiny-llama-sharded", "model.safetensors.index.json");
    await vscode.commands.executeCommand("vscode.open", index);
    await until("a text editor", () => vscode.window.activeTextEditor?.document.uri.path === index.path);
    assert.equal(inspectorTabs().length, 0);
    await vscode.commands.executeCommand("weightLoupe.inspect", index);
    const tab = await until("an inspector tab", () => inspectorTabs()[0]);
    assert.equal(tab.input.viewType, "weightLoupe.inspectOffered");
    const snapshot = await snapshotOf(index);
    assert.equal(snapshot.status, "ready");
    assert.equal(snapshot.status === "ready" && snapshot.overview.files.length, 2);
  });

  it("inspects the file of the active editor when called from the palette", async () => {
    const index = inWorkspace("examples", "tiny-llama-sharded", "model.safetensors.index.json");
    await vscode.window.showTextDocument(index);
    await vscode.commands.executeCommand("weightLoupe.inspect");
    assert.equal((await until("an inspector tab", () => inspectorTabs()[0])).input.uri.path, index.path);
  });

  it("shows one checkpoint in two views", async () => {
    const uri = inWorkspace(...LLAMA);
    const { openCheckpoints } = await api();
    await vscode.commands.executeCommand("vscode.openWith", uri, "weightLoupe.inspect", vscode.ViewColumn.One);
    await until("the first view", () => inspectorTabs().length === 1);
    const before = openCheckpoints();
    await vscode.commands.executeCommand("vscode.openWith", uri, "weightLoupe.inspect", vscode.ViewColumn.Two);
    await until("the second view", () => inspectorTabs().length === 2);
    assert.equal(openCheckpoints(), before);
  });

  it("keeps a checkpoint for a moment after its last view, so that moving a tab does not open it again", async () => {
    const { open, openCheckpoints } = await api();
    const uri = inWorkspace(...LLAMA);
    const first = open(uri);
    const inspection = await first.checkpoint.inspection();
    first.dispose();
    const second = open(uri);
    assert.equal(await second.checkpoint.inspection(), inspection);
    second.dispose();
    await until("the grace period to end", () => openCheckpoints() === 0);
    const third = open(uri);
    assert.notEqual(await third.checkpoint.inspection(), inspection);
    third.dispose();
  });

  it("opens fifty files at once", async () => {
    const uris = Array.from({ length: 50 }, (_, i) => inWorkspace(`many-${i}.safetensors`));
    uris.forEach((uri, i) => vectorFile(uri, i, i + 1));
    const { open } = await api();
    const documents = uris.map(open);
    try {
      await Promise.all(uris.map((uri) => vscode.commands.executeCommand("vscode.openWith", uri, "weightLoupe.inspect", { preview: false })));
      assert.equal(inspectorTabs().length, 50);
      const maxima = await Promise.all(documents.map(async (document) => (await (await document.checkpoint.inspection()).statistics(0)).value.max));
      assert.deepEqual(maxima, uris.map((_, i) => i + 1));
    } finally {
      documents.forEach((document) => document.dispose());
      uris.forEach((uri) => rmSync(uri.fsPath));
    }
  });

  it("says in one sentence what is wrong with a malformed file", async () => {
    const uri = inWorkspace("malformed.safetensors");
    writeFileSync(uri.fsPath, Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0x7b, 0x7d]));
    await vscode.commands.executeCommand("vscode.open", uri);
    await until("an inspector tab", () => inspectorTabs()[0]);
    const snapshot = await snapshotOf(uri);
    assert.equal(snapshot.status, "failed");
    assert.ok(snapshot.status === "failed");
    // The header length is the little-endian 2³² − 1, in a file of ten bytes.
    assert.match(snapshot.error.message, /4,294,967,295/);
    assert.match(snapshot.error.message, /10\b|\b2\b/);
    assert.doesNotMatch(snapshot.error.message, /\n/);
  });

  it("says that a removed file is gone, and shows it again when it is back", async () => {
    const uri = inWorkspace("removed.safetensors");
    vectorFile(uri, 1, 2, 3);
    const away = inWorkspace("away.bin");
    const document = (await api()).open(uri);
    try {
      const inspection = await document.checkpoint.inspection();
      assert.equal((await inspection.snapshot()).status, "ready");
      renameSync(uri.fsPath, away.fsPath);
      await assert.rejects(inspection.statistics(0), /no such file|not.*exist|removed|cannot be (opened|read)/i);
      renameSync(away.fsPath, uri.fsPath);
      await inspection.reload();
      assert.equal((await inspection.statistics(0)).value.max, 3);
    } finally {
      document.dispose();
      rmSync(uri.fsPath, { force: true });
    }
  });

  it("reads a file again when it was overwritten", async () => {
    const uri = inWorkspace("training.safetensors");
    vectorFile(uri, 1, 2);
    const document = (await api()).open(uri);
    try {
      const inspection = await document.checkpoint.inspection();
      const before = await inspection.snapshot();
      const changed = new Promise<Snapshot>((resolve) => document.checkpoint.on({ changed: resolve }));
      vectorFile(uri, 5, 6, 7);
      const after = await changed;
      assert.equal(after.status === "ready" && after.overview.parameters, 3);
      assert.ok(after.revision > before.revision);
      assert.equal((await inspection.statistics(0)).value.max, 7);
    } finally {
      document.dispose();
      rmSync(uri.fsPath, { force: true });
    }
  });
});
