import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { FileWatcher } from "../../../src/analysis/watch";

describe("a watcher of files", () => {
  let folder: string;
  let file: string;
  let watcher: FileWatcher;
  let told: number;
  let tell: () => void;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "watch-"));
    file = path.join(folder, "model.safetensors");
    writeFileSync(file, "one");
    told = 0;
    tell = () => undefined;
    watcher = new FileWatcher(() => {
      told++;
      tell();
    });
  });
  afterEach(() => {
    watcher.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  const change = (): Promise<void> => new Promise((resolve) => (tell = resolve));

  it("tells of a change that only looking now and then can find", async () => {
    const later = path.join(folder, "later", "model.safetensors");
    // The folder is not there yet, so that nothing watches it.
    await watcher.follow([{ path: later }]);
    const heard = change();
    mkdirSync(path.dirname(later));
    writeFileSync(later, "two");
    await heard;
    assert.equal(told, 1);
  });

  it("tells of a change between the reading and the following", async () => {
    const { size, mtimeMs } = statSync(file);
    writeFileSync(file, "another");
    const heard = change();
    await watcher.follow([{ path: file, bytes: size, modified: mtimeMs }]);
    await heard;
    assert.equal(told, 1);
  });

  it("does not tell of files that stay as they were read", async () => {
    const { size, mtimeMs } = statSync(file);
    await watcher.follow([{ path: file, bytes: size, modified: mtimeMs }]);
    await new Promise((resolve) => setTimeout(resolve, 3500));
    assert.equal(told, 0);
  });
});
