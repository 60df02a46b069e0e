/** Decoded values in files of their own: written once, whole or not at all, gone with the process. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, unlinkSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { removeStale, spoolFile, spooledName } from "../../../src/checkpoint/spool";
import { Scratch } from "../../files";

let keys = 0;
const freshKey = (): string => `spool test ${process.pid} ${keys++}`;
const neverEnding = (signal: AbortSignal): Promise<void> => new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("stopped"))));

describe("spooled files", () => {
  it("hold what was written, in a folder only this user may enter", async () => {
    const path = await spoolFile(freshKey(), async (file) => void (await file.write(Buffer.from("values"))));
    assert.equal(readFileSync(path, "utf8"), "values");
    assert.equal(dirname(dirname(path)), tmpdir());
    if (process.platform !== "win32") {
      assert.equal(statSync(dirname(path)).mode & 0o777, 0o700);
      assert.equal(statSync(path).mode & 0o777, 0o600);
    }
    assert.match(spooledName(path)!, /^[0-9a-f]{64}$/);
    assert.equal(spooledName("/models/model.npz"), undefined);
  });

  it("are written once for one key, also by callers at the same time, and again when they were removed", async () => {
    const key = freshKey();
    let writes = 0;
    const write = (): Promise<void> => Promise.resolve(void writes++);
    const [first, second] = await Promise.all([spoolFile(key, write), spoolFile(key, write)]);
    assert.equal(first, second);
    await spoolFile(key, write);
    assert.equal(writes, 1);
    unlinkSync(first);
    assert.equal(await spoolFile(key, write), first);
    assert.equal(writes, 2);
    assert.notEqual(await spoolFile(freshKey(), write), first);
  });

  it("are not there when writing them fails, and are tried again", async () => {
    const key = freshKey();
    let folder = "";
    await assert.rejects(spoolFile(key, async (file) => {
      await file.write(Buffer.from("half"));
      throw new Error("damaged");
    }), /damaged/);
    const path = await spoolFile(key, () => Promise.resolve());
    folder = dirname(path);
    assert.equal(statSync(path).size, 0);
    assert.deepEqual(readdirSync(folder).filter((name) => name.includes(".")), []);
  });

  it("are given up when all who wait have aborted, not before", async () => {
    const key = freshKey();
    let stopped = false;
    const write = async (_file: unknown, signal: AbortSignal): Promise<void> => neverEnding(signal).finally(() => (stopped = true));
    const [one, other] = [new AbortController(), new AbortController()];
    const waits = [one, other].map(({ signal }) => assert.rejects(spoolFile(key, write, signal), /Abort|abort/));
    await new Promise((resolve) => setTimeout(resolve, 20));
    one.abort();
    await waits[0];
    assert.equal(stopped, false);
    other.abort();
    await waits[1];
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(stopped, true);
    assert.ok(existsSync(await spoolFile(key, () => Promise.resolve())));
    await assert.rejects(spoolFile(freshKey(), write, AbortSignal.abort()), /abort/i);
  });

  it("of processes that have ended are removed, those of others left alone", async () => {
    const scratch = new Scratch();
    const ended = spawnSync(process.execPath, ["-e", ""]).pid;
    const machine = createHash("sha256").update(hostname()).digest("hex").slice(0, 8);
    const names = [`weight-loupe-spool-${machine}-${ended}-abc`, `weight-loupe-spool-${machine}-${process.pid}-abc`, `weight-loupe-spool-00000000-${ended}-abc`, `weight-loupe-spool-${machine}-x-abc`, "other"];
    for (const name of names) mkdirSync(join(scratch.folder, name));
    await removeStale(scratch.folder);
    assert.deepEqual(readdirSync(scratch.folder), names.slice(1).sort());
    scratch.remove();
  });
});
