import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import * as vscode from "vscode";
import type { Snapshot } from "../../src/protocol/inspect";
import { api, extension, inWorkspace, LLAMA, sparseFile, until } from "./support";

const configuration = (): vscode.WorkspaceConfiguration => vscode.workspace.getConfiguration("weightLoupe");
const bundled = (): string => path.join(extension().extensionPath, "dist", "engine", process.platform === "win32" ? "weight-loupe-engine.exe" : "weight-loupe-engine");

async function setPath(value: string | undefined): Promise<void> {
  await configuration().update("engine.path", value, vscode.ConfigurationTarget.Workspace);
}

/** An engine that says its process number and otherwise is the bundled one. */
function wrapper(name: string): { script: string; pid: () => number; starts: () => number } {
  const script = inWorkspace(`${name}.sh`).fsPath;
  const log = inWorkspace(`${name}.pid`).fsPath;
  rmSync(log, { force: true });
  writeFileSync(script, `#!/bin/sh\n[ "$1" = --version ] || echo $$ >> "${log}"\nexec "${bundled()}" "$@"\n`);
  chmodSync(script, 0o755);
  const lines = (): string[] => (existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : []);
  return { script, pid: () => Number(lines().at(-1)), starts: () => lines().length };
}

async function elements(): Promise<unknown> {
  const document = (await api()).open(inWorkspace(...LLAMA));
  try {
    return (await (await document.checkpoint.inspection()).statistics(0)).value.count;
  } finally {
    document.dispose();
  }
}

describe("the engine in the editor", () => {
  before(function () {
    // The wrapper is a shell script.
    if (process.platform === "win32") this.skip();
  });

  afterEach(async () => {
    await setPath(undefined);
    await until("the bundled engine", () => extension().exports.engine().executable === bundled());
    await vscode.commands.executeCommand("weightLoupe.restartEngine");
  });

  it("is the bundled one, and starts on first need", async () => {
    const { engine } = await api();
    assert.equal(engine().executable, bundled());
    assert.equal(await elements(), 2304);
    assert.equal(engine().state, "running");
    assert.match(engine().version ?? "", /^\d+\.\d+\.\d+$/);
  });

  it("is replaced when the setting leads to another executable, and only then", async () => {
    const { engine, open } = await api();
    const other = wrapper("other-engine");
    const document = open(inWorkspace(...LLAMA));
    const before = await document.checkpoint.snapshot();
    const changed = new Promise<Snapshot>((resolve) => document.checkpoint.on({ changed: resolve }));
    await setPath(other.script);
    await until("the other engine", () => other.starts() === 1 && engine().state === "running");
    assert.equal(other.starts(), 1);
    // What another engine computed is not shown as this one's: views draw afresh.
    assert.ok((await changed).revision > before.revision);
    document.dispose();
    // The same file by another spelling is no change.
    await setPath(` ${other.script} `);
    assert.equal(await elements(), 2304);
    assert.equal(other.starts(), 1);
  });

  it("says what is wrong with a path that leads nowhere; structure still opens", async () => {
    const { engine, open } = await api();
    await setPath("/no/such/engine");
    const wrong = await until("the wrong path to be noticed", () => (engine().state === "missing" ? engine() : null));
    assert.match(wrong.message ?? "", /\/no\/such\/engine.*weightLoupe\.engine\.path/);
    const document = open(inWorkspace("examples", "tiny-llama", "checkpoint-100", "model.safetensors"));
    try {
      const inspection = await document.checkpoint.inspection();
      const snapshot = await inspection.snapshot();
      assert.equal(snapshot.status, "ready");
      await assert.rejects(inspection.statistics(0), /\/no\/such\/engine/);
    } finally {
      document.dispose();
    }
  });

  it("loses one request when it is killed, and is back for the next", async () => {
    const { engine, open } = await api();
    const own = wrapper("killed-engine");
    await setPath(own.script);
    await until("the engine", () => own.starts() === 1 && engine().state === "running");
    const uri = inWorkspace("sparse.safetensors");
    await sparseFile(uri, 1 << 20, 1 << 14);
    const document = open(uri);
    try {
      const inspection = await document.checkpoint.inspection();
      const doomed = assert.rejects(inspection.statistics(0), (error: Error & { code?: string }) => {
        assert.equal(error.code, "crashed");
        assert.match(error.message, /engine.*ended.*statistics/i);
        return true;
      });
      await new Promise((resolve) => setTimeout(resolve, 500));
      process.kill(own.pid(), "SIGKILL");
      await doomed;
      assert.equal(await elements(), 2304);
      assert.equal(engine().state, "running");
      assert.equal(own.starts(), 2);
    } finally {
      document.dispose();
      rmSync(uri.fsPath);
    }
  });
});
