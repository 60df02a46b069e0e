/** Writing a file: whole or not at all, whatever fails meanwhile; names that cannot be written down are refused. */
import assert from "node:assert/strict";
import { appendFileSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { OutputTensor } from "../../../src/analysis/convert";
import { stringMetadata } from "../../../src/analysis/convert";
import type { Engine } from "../../../src/analysis/engine";
import { writeSafetensors, type WriteOptions } from "../../../src/analysis/write-safetensors";
import { CheckpointError } from "../../../src/checkpoint/checkpoint";
import { openCheckpoint } from "../../../src/checkpoint/registry";
import { cancelled, EngineError } from "../../../src/engine/error";
import type { EngineRequests } from "../../../src/engine/protocol";
import { Scratch } from "../../files";

type Write = EngineRequests["write"];
/** An engine that does what a test says when it is asked to write. */
function engineThat(write: (params: Write["params"], signal: AbortSignal) => Promise<Write["result"]>): Engine {
  return { request: (method, params, options) => (method === "write" ? write(params as never, options!.signal!) : Promise.reject(new Error(method))) };
}
const done = engineThat(({ tensor }) => Promise.resolve({ bytes: tensor.kind === "range" ? tensor.bytes : 0, nonFinite: 0 }));

const vector = (name: string, length = 2): OutputTensor => ({
  name, dtype: "F32", shape: [length], bytes: 4 * length, written: "F32",
  read: () => Promise.resolve({ kind: "range", file: "/in", offset: 0, bytes: 4 * length, dtype: "F32", shape: [length] }),
});

describe("writing safetensors", () => {
  let scratch: Scratch;
  let path: string;
  beforeEach(() => {
    scratch = new Scratch();
    path = join(scratch.folder, "out.safetensors");
  });
  afterEach(() => scratch.remove());

  const write = (tensors: OutputTensor[], more: Partial<WriteOptions> = {}): Promise<{ bytes: number }> =>
    writeSafetensors({ output: { tensors, metadata: {} }, path, inputs: [], engine: done, ...more });
  const refused = async (work: Promise<unknown>, code: string, message: RegExp): Promise<void> => {
    await assert.rejects(work, (error) => error instanceof CheckpointError && error.code === code && message.test(error.message));
    assert.deepEqual(readdirSync(scratch.folder).filter((name) => name.includes("out")), []);
  };

  it("puts a file of the right size under its name once all is written", async () => {
    const seen: [number, number][] = [];
    const { bytes } = await write([vector("a"), vector("empty", 0), vector("b", 3)], { onProgress: (now, total) => seen.push([now, total]) });
    assert.equal(statSync(path).size, bytes);
    assert.deepEqual(readdirSync(scratch.folder), ["out.safetensors"]);
    assert.deepEqual((await openCheckpoint(path)).tensors.map(({ name, shape }) => [name, shape]), [["a", [2]], ["empty", [0]], ["b", [3]]]);
    assert.deepEqual(seen.at(-1), [20, 20]);
  });

  it("refuses names that are there twice, and those that a header cannot hold", async () => {
    await refused(write([vector("x"), vector("x")]), "unsupported", /^there are two tensors of the name "x"/);
    await refused(write([vector("__metadata__")]), "unsupported", /cannot hold a tensor of the name "__metadata__"/);
    await refused(write([vector("half \ud800")]), "unsupported", /cannot hold a tensor of the name/);
    await write([vector("\u{1f600}\n\u202e"), vector("__proto__"), vector("")]);
    assert.equal((await openCheckpoint(path)).tensors.length, 3);
  });

  it("refuses what there is no room for before it writes", async () => {
    await refused(write([vector("a", 2 ** 50)]), "io", /^the file needs [\d,]+ bytes, and there is room for [\d,]+$/);
    await refused(write([vector("a", 2 ** 50), vector("b", 2 ** 51 - 1)]), "unsupported", /more bytes than a file can hold/);
    await refused(write([], { output: { tensors: [], metadata: { long: "x".repeat(100_000_000) } } }), "unsupported", /a safetensors header can have 100,000,000/);
  });

  it("leaves nothing when the engine fails, and stops the rest", async () => {
    let stopped = 0;
    let asked = 0;
    const engine = engineThat((_, signal) => {
      if (asked++ === 2) return Promise.reject(new EngineError("truncated", "The file has become shorter.", "/in"));
      return new Promise((_, reject) => signal.addEventListener("abort", () => (stopped++, reject(cancelled()))));
    });
    await refused(write([vector("a"), vector("b"), vector("c")], { engine }), "truncated", /^the file has become shorter$/);
    assert.equal(stopped, 2);
  });

  it("says what the disk says about the output, not about the temporary name", async () => {
    const full = engineThat(({ file }) => Promise.reject(new EngineError("io", `Cannot write ${file}: No space left on device (os error 28).`, file)));
    await refused(write([vector("a")], { engine: full }), "io", /^there is no room left to write it$/);
  });

  it("leaves nothing when it is cancelled", async () => {
    const stop = new AbortController();
    const engine = engineThat(() => {
      stop.abort();
      return Promise.reject(cancelled());
    });
    await assert.rejects(write([vector("a"), vector("b")], { engine, signal: stop.signal }), { name: "AbortError" });
    assert.deepEqual(readdirSync(scratch.folder), []);
  });

  it("keeps what was there when an input changes meanwhile", async () => {
    const input = scratch.write("in.bin", "before");
    const { size, mtimeMs } = statSync(input);
    scratch.write("out.safetensors", "the one before");
    const engine = engineThat(() => {
      appendFileSync(input, "after");
      return Promise.resolve({ bytes: 8, nonFinite: 0 });
    });
    await assert.rejects(write([vector("a")], { engine, inputs: [{ path: input, bytes: size, modified: mtimeMs }] }), /the file changed while it was being read/);
    assert.equal(readFileSync(path, "utf8"), "the one before");
    assert.deepEqual(readdirSync(scratch.folder).sort(), ["in.bin", "out.safetensors"]);
  });

  it("writes metadata of any kind as strings", () => {
    const metadata = JSON.parse('{"a":"text","b":1.5,"c":[1,{"d":null}],"e":true,"__proto__":"kept"}') as Record<string, unknown>;
    assert.deepEqual(Object.entries(stringMetadata({ ...metadata, big: 2n ** 60n, none: undefined, half: "\ud800" })), [
      ["a", "text"], ["b", "1.5"], ["c", '[1,{"d":null}]'], ["e", "true"], ["__proto__", "kept"], ["big", '"1152921504606846976"'], ["half", "\ufffd"],
    ]);
  });
});
