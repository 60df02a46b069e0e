/** The result cache: kept between sessions, gone with the file's version, harmless when damaged or without room. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { engineIdentity, ResultCache, type CacheOptions } from "../../../src/analysis/cache";
import { jobKey } from "../../../src/analysis/jobs";
import type { CheckpointFile } from "../../../src/checkpoint/checkpoint";
import type { Expression } from "../../../src/engine/protocol";
import { Scratch } from "../../files";

const FILE: CheckpointFile = { path: "/models/a.safetensors", bytes: 1000, modified: 1_700_000_000_000.5 };

describe("result cache", () => {
  let scratch: Scratch;
  let folder: string;
  const problems: string[] = [];
  const open = (options: Partial<CacheOptions> = {}): ResultCache =>
    new ResultCache({ folder, engine: "engine 1", onProblem: (message) => problems.push(message), ...options });
  const keep = async (file: CheckpointFile, entries: Record<string, unknown>, options?: Partial<CacheOptions>): Promise<void> => {
    const cache = open(options);
    const results = await cache.of(file);
    for (const [key, value] of Object.entries(entries)) results.put(key, value, 0.5);
    await cache.flush();
  };
  const segments = (): string[] => readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".json"));

  beforeEach(() => {
    scratch = new Scratch();
    folder = join(scratch.folder, "cache", "results");
    problems.length = 0;
  });
  afterEach(() => scratch.remove());

  it("gives back what was kept, in another session", async () => {
    const value = { mean: "NaN", nested: [1, 2.5, { __proto__x: -0.1 }] };
    await keep(FILE, { "statistics x": value });
    await keep(FILE, { "norms x": { a: 1 } });
    const results = await open().of(FILE);
    assert.deepEqual(results.get("statistics x"), { value, seconds: 0.5 });
    assert.deepEqual(results.get("norms x")?.value, { a: 1 });
    assert.equal(results.get("spectrum x"), undefined);
    assert.equal(results.size, 2);
    assert.deepEqual(problems, []);
  });

  it("keeps what several files say together apart from what each says, and forgets it with either", async () => {
    const other: CheckpointFile = { path: "/models/b.safetensors", bytes: 2000, modified: 1_700_000_000_001 };
    const cache = open();
    (await cache.of(FILE, other)).put("difference", { norm: 1 }, 2);
    assert.equal((await cache.of(FILE)).size + (await cache.of(other)).size, 0);
    await cache.release(other);
    // Forgotten in memory only: it is read again.
    assert.equal(segments().length, 1);
    assert.deepEqual((await open().of(FILE, other)).get("difference"), { value: { norm: 1 }, seconds: 2 });
    for (const files of [[other, FILE], [FILE, { ...other, modified: 1 }], [{ ...FILE, bytes: 1 }, other]]) assert.equal((await open().of(...files)).size, 0);
  });

  it("names a job by its parameters without the paths of the files it is about", () => {
    const range = (file: string): Expression => ({ kind: "range", file, offset: 8, bytes: 16, dtype: "F32", shape: [4] });
    const key = (a: string, b: string, files: string[]): string => jobKey({ method: "difference", params: { a: range(a), b: range(b) } }, ...files);
    assert.equal(key("/x/a", "/x/b", ["/x/a", "/x/b"]), key("/y/a", "/y/b", ["/y/a", "/y/b"]));
    assert.notEqual(key("/x/a", "/x/b", ["/x/a", "/x/b"]), key("/x/b", "/x/a", ["/x/a", "/x/b"]));
    assert.equal(key("/x/a", "/x/a", ["/x/a"]), key("/y/a", "/y/a", ["/y/a"]));
    assert.match(key("/x/a", "/x/c", ["/x/a", "/x/b"]), /"file":"\/x\/c"/);
  });

  it("writes by itself, soon after", async () => {
    (await open().of(FILE)).put("key", { a: 1 }, 0);
    for (let i = 0; i < 80 && (await open().of(FILE)).size === 0; i++) await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal((await open().of(FILE)).size, 1);
  });

  it("knows nothing of another version of the file, another file, or another engine's results", async () => {
    await keep(FILE, { key: { a: 1 } });
    const others: [CheckpointFile, Partial<CacheOptions>?][] = [
      [{ ...FILE, bytes: 1001 }],
      [{ ...FILE, modified: FILE.modified! + 0.25 }],
      [{ ...FILE, path: "/models/b.safetensors" }],
      [FILE, { engine: "engine 2" }],
    ];
    for (const [file, options] of others) assert.equal((await open(options).of(file)).get("key"), undefined);
    assert.notEqual((await open().of(FILE)).get("key"), undefined);
  });

  it("tells builds of the engine apart", async () => {
    const path = scratch.write("engine", "first");
    const first = await engineIdentity(path);
    assert.equal(await engineIdentity(path), first);
    writeFileSync(path, "second");
    assert.notEqual(await engineIdentity(path), first);
    await assert.rejects(engineIdentity(join(scratch.folder, "none")));
  });

  it("ignores and removes damaged segments, and keeps the others", async () => {
    await keep(FILE, { whole: { a: 1 } });
    await keep(FILE, { cut: { a: 1 } });
    const cut = segments().map((name) => join(folder, name)).find((path) => readFileSync(path, "utf8").includes("cut"))!;
    const place = join(cut, "..");
    writeFileSync(cut, readFileSync(cut, "utf8").slice(0, 40));
    for (const [i, text] of ["", "null", "[]", "7", '{"format":1}', '{"format":1,"entries":null}', '{"format":1,"entries":{"a":null}}', '{"format":1,"entries":{"a":{"value":1,"seconds":"x"}}}', '{"format":0,"entries":{}}', "\u0000\uffff"].entries())
      writeFileSync(join(place, `bad${i}.json`), text);
    const results = await open().of(FILE);
    assert.deepEqual([results.size, results.get("whole")?.value], [1, { a: 1 }]);
    assert.equal(segments().length, 1);
    assert.deepEqual(problems, []);
  });

  it("leaves no temporary files, and removes abandoned ones", async () => {
    await keep(FILE, { key: { a: 1 } });
    const place = join(folder, readdirSync(folder)[0]!);
    assert.ok(readdirSync(place).every((name) => name.endsWith(".json")));
    for (const name of ["old.json.tmp", "new.json.tmp"]) writeFileSync(join(place, name), "{");
    const yesterday = new Date(Date.now() - 86_400_000);
    utimesSync(join(place, "old.json.tmp"), yesterday, yesterday);
    await open().of(FILE);
    assert.deepEqual(readdirSync(place).filter((name) => name.endsWith(".tmp")), ["new.json.tmp"]);
  });

  it("merges many segments into one", async () => {
    for (let i = 0; i < 30; i++) await keep(FILE, { [`key ${i}`]: { i } });
    assert.ok(segments().length <= 25, `${segments().length} segments`);
    const results = await open().of(FILE);
    assert.equal(results.size, 30);
    for (let i = 0; i < 30; i++) assert.deepEqual(results.get(`key ${i}`)?.value, { i });
  });

  it("loses nothing when several sessions write at once", async () => {
    await Promise.all(Array.from({ length: 20 }, (_, i) => keep(FILE, { [`key ${i}`]: { i } })));
    assert.equal((await open().of(FILE)).size, 20);
  });

  it("removes the results used longest ago beyond its bound", async () => {
    const file = (i: number): CheckpointFile => ({ ...FILE, path: `/models/${i}.safetensors` });
    const value = { text: "x".repeat(10_000) };
    for (let i = 0; i < 4; i++) {
      const before = i === 0 ? [] : readdirSync(folder);
      await keep(file(i), { key: value });
      const made = readdirSync(folder).find((name) => !before.includes(name))!;
      const then = new Date(Date.now() - (100 - i) * 60_000);
      utimesSync(join(folder, made), then, then);
    }
    // Reading is use: file 0 is now the youngest.
    assert.equal((await open().of(file(0))).size, 1);
    await keep(file(9), { key: value }, { maxBytes: 35_000 });
    const left: number[] = [];
    for (const i of [0, 1, 2, 3, 9]) if ((await open().of(file(i))).size > 0) left.push(i);
    assert.deepEqual(left, [0, 3, 9]);
  });

  it("clears what is its own and nothing else", async () => {
    await keep(FILE, { key: { a: 1 } });
    writeFileSync(join(folder, "notes.txt"), "mine");
    mkdirSync(join(folder, "other"));
    const cache = open();
    assert.equal((await cache.of(FILE)).size, 1);
    await cache.clear();
    assert.equal((await cache.of(FILE)).size, 0);
    assert.deepEqual(readdirSync(folder).sort(), ["notes.txt", "other"]);
  });

  it("goes on without a place to write, and says so once", async () => {
    scratch.write("cache", "a file where the folder should be");
    const cache = open();
    const results = await cache.of(FILE);
    for (let i = 0; i < 3; i++) {
      results.put(`key ${i}`, { i }, 0);
      await cache.flush();
    }
    assert.equal(results.get("key 2")?.seconds, 0);
    assert.equal(problems.length, 1);
    assert.match(problems[0]!, /^Results cannot be kept in .*ENOTDIR/);
  });

  it("survives a full disk", async function () {
    mkdirSync(folder, { recursive: true });
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], { stdio: "ignore" });
    } catch {
      // Only root may mount a disk small enough to fill.
      this.skip();
    }
    try {
      await keep(FILE, { small: { a: 1 } });
      const cache = open();
      const results = await cache.of(FILE);
      for (let i = 0; i < 3; i++) {
        results.put(`large ${i}`, { text: "x".repeat(200_000) }, 0);
        await cache.flush();
      }
      assert.notEqual(results.get("large 2"), undefined);
      assert.equal(problems.length, 1);
      assert.match(problems[0]!, /ENOSPC/);
      assert.deepEqual(readdirSync(join(folder, readdirSync(folder)[0]!)).filter((name) => name.endsWith(".tmp")), []);
      assert.equal((await open().of(FILE)).get("small")?.seconds, 0.5);
      assert.ok(statSync(folder).isDirectory());
    } finally {
      execFileSync("umount", [folder]);
    }
  });
});
