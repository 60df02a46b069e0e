/** `compare`: what it prints, what its status says, and what it refuses. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Compare } from "../../../src/protocol/results";
import { fixtures, headerOf, safetensorsBytes, Scratch } from "../../files";
import { json, weightLoupe } from "./command-line";

const ADAPTERS = join(fixtures, "adapters");
const BASE = join(ADAPTERS, "base", "llama-40");
const PAIRS = join(ADAPTERS, "compare");

/** A safetensors file of F32 tensors. */
function model(tensors: Record<string, { shape: number[]; values: number[] }>): Uint8Array {
  const header = headerOf(Object.fromEntries(Object.entries(tensors).map(([name, { shape, values }]) => [name, { dtype: "F32", shape, bytes: 4 * values.length }])));
  return safetensorsBytes(header, Buffer.from(Float32Array.from(Object.values(tensors).flatMap(({ values }) => values)).buffer));
}

describe("compare", () => {
  let scratch: Scratch;
  beforeEach(() => (scratch = new Scratch()));
  afterEach(() => scratch.remove());

  it("prints one document: pairs worst first, totals, what was found", async () => {
    const tuned = join(PAIRS, "rank16-f32", "tuned");
    const { a, b, pairs, totals, summary, mapping, findings } = await json<Compare>(["compare", BASE, tuned, "--structure", "--spectrum"]);
    assert.deepEqual([a, b, mapping, findings], [BASE, tuned, [], []]);
    const relatives = pairs.map(({ relative }) => Number(relative));
    assert.deepEqual(relatives, [...relatives].sort((x, y) => y - x));
    assert.deepEqual([totals.tensors, totals.equal, pairs.length], [21, 8, 21]);
    assert.match(summary[0]!, /; each is a rank-16 update\.$/);
    for (const { equal, structure, spectrum, how } of pairs) {
      assert.ok(how.exact && how.precision === "f64");
      if (equal) assert.equal(spectrum, undefined);
      else {
        assert.deepEqual([structure?.kind, structure?.rank, spectrum?.delta.matrixRank], ["low-rank", 16, 16]);
        assert.deepEqual([spectrum?.overlap.left.length, spectrum?.overlap.right.length], [16, 16]);
        // B = A + Δ: σ₁(B) ≤ σ₁(A) + σ₁(Δ) (Weyl).
        const [of, ofB, ofDelta] = [spectrum!.a, spectrum!.b, spectrum!.delta].map(({ singularValues }) => singularValues[0]!) as [number, number, number];
        assert.ok(ofB <= of + ofDelta && of <= ofB + ofDelta);
      }
    }
  });

  it("prints a table for people, equal tensors in one line", async () => {
    const { stdout, stderr, status } = await weightLoupe(["compare", BASE, join(PAIRS, "three-elements", "b")]);
    assert.deepEqual([status, stderr], [0, ""]);
    const lines = stdout.split("\n");
    assert.match(lines[1]!, /^ {2}Equal but for 3 elements: /);
    assert.match(stdout, /\n {2}model\.norm\.weight +40 +0\.4757 +0\.07428 +0\.9974 +0\.01189 +0\.4757 +\[0\] +2\.500 % +0\n/);
    assert.match(stdout, /\n {2}18 other pairs are equal\n/);
  });

  it("answers --check by its status: 1 when anything differs or has no partner", async () => {
    const small = scratch.write("small.safetensors", model({ a: { shape: [2], values: [1, 2] } }));
    const more = scratch.write("more.safetensors", model({ a: { shape: [2], values: [1, 2] }, b: { shape: [1], values: [0] } }));
    const reshaped = scratch.write("reshaped.safetensors", model({ a: { shape: [3], values: [1, 2, 0] } }));
    for (const [a, b, status] of [
      [join(PAIRS, "prefixes", "a"), join(PAIRS, "prefixes", "b"), 0],
      [BASE, join(PAIRS, "fused-split", "fused"), 0],
      [BASE, join(PAIRS, "three-elements", "b"), 1],
      [small, more, 1],
      [more, small, 1],
      [small, reshaped, 1],
      [small, small, 0],
    ] as const) {
      const run = await weightLoupe(["compare", a, b, "--check", "--json"]);
      assert.equal(run.status, status, `${a} ${b}: ${run.stderr}`);
      assert.ok(JSON.parse(run.stdout));
    }
    // Without the question there is no answer.
    assert.equal((await weightLoupe(["compare", small, more])).status, 0);
  });

  it("takes NaN, infinities, empty tensors, zeros of both signs and scalars for what they are", async () => {
    const a = scratch.write("a.safetensors", model({
      empty: { shape: [0, 4], values: [] },
      finite: { shape: [2, 2], values: [3, 4, 0, 0] },
      lost: { shape: [3], values: [1, 2, Infinity] },
      same: { shape: [2], values: [NaN, 1] },
      scalar: { shape: [], values: [2] },
      sign: { shape: [2], values: [0, 1] },
    }));
    const b = scratch.write("b.safetensors", model({
      empty: { shape: [0, 4], values: [] },
      finite: { shape: [2, 2], values: [3, 4, 0, 2] },
      lost: { shape: [3], values: [NaN, 2, -Infinity] },
      same: { shape: [2], values: [NaN, 1] },
      scalar: { shape: [], values: [3] },
      sign: { shape: [2], values: [-0, 1] },
    }));
    const { pairs, totals, findings } = await json<Compare>(["compare", a, b, "--structure", "--spectrum"]);
    const of = (name: string): Compare["pairs"][number] => pairs.find((pair) => pair.a === name)!;
    const numbers = (name: string): unknown[] => [of(name).equal, of(name).norm, of(name).relative, of(name).cosine, of(name).changed];
    assert.deepEqual(numbers("empty"), [true, 0, 0, 1, 0]);
    assert.deepEqual(numbers("same"), [true, 0, 0, 1, 0]);
    assert.deepEqual([of("same").nonFinite, of("lost").nonFinite, of("finite").nonFinite], [{ a: 1, b: 1 }, { a: 1, b: 2 }, undefined]);
    // Of (1, 2, ∞) and (NaN, 2, −∞) only the 2 is finite on both sides.
    assert.deepEqual(numbers("lost"), [false, 0, 0, 1, 2 / 3]);
    assert.deepEqual(numbers("sign"), [false, 0, 0, 1, 0.5]);
    assert.deepEqual([...numbers("scalar"), of("scalar").maxAt, of("scalar").shape], [false, 1, 0.5, 1, 1, [], []]);
    assert.deepEqual([of("finite").norm, of("finite").relative, of("finite").maxAt], [2, 0.4, [1, 1]]);
    assert.deepEqual([totals.tensors, totals.equal, totals.parameters, totals.changed], [6, 2, 12, 5]);
    assert.deepEqual(findings.filter(({ rule }) => rule === "non-finite").map(({ tensor, message }) => [tensor, message.split(".")[0]]), [
      ["lost", "NaN or infinite elements: 1 in A, 2 in B"],
      ["same", "NaN or infinite elements: 1 in A, 1 in B"],
    ]);
  });

  it("says that a file is compared with itself, and that two have nothing in common", async () => {
    const same = await json<Compare>(["compare", BASE, BASE]);
    assert.deepEqual([same.totals.equal, same.totals.norm, same.findings.map(({ rule }) => rule)], [21, 0, ["same-file"]]);
    const other = scratch.write("other.safetensors", model({ unlike: { shape: [5], values: [1, 2, 3, 4, 5] } }));
    const { pairs, onlyInA, onlyInB, findings, summary, totals } = await json<Compare>(["compare", BASE, other]);
    assert.deepEqual([pairs, onlyInA.length, onlyInB, totals.relative], [[], 21, ["unlike"], 0]);
    assert.equal(summary[0], "The two have no tensor in common.");
    assert.match(findings.find(({ rule }) => rule === "nothing-in-common")!.message, /mapping file/);
  });

  it("compares only the tensors that are named, by either side's names", async () => {
    const gguf = join(PAIRS, "hf-gguf", "model-q8_0.gguf");
    const llama = join(ADAPTERS, "base", "llama-64");
    const byA = await json<Compare>(["compare", llama, gguf, "--tensor", "model.layers.0.self_attn.{q,k}_proj.weight"]);
    assert.deepEqual(byA.pairs.map(({ b }) => b).sort(), ["blk.0.attn_k.weight", "blk.0.attn_q.weight"]);
    assert.deepEqual([byA.mapping.length, byA.retyped.length, byA.onlyInA], [2, 2, []]);
    const byB = await json<Compare>(["compare", llama, gguf, "--tensor", "blk.0.attn_q.weight"]);
    assert.deepEqual(byB.pairs.map(({ a }) => a), ["model.layers.0.self_attn.q_proj.weight"]);
    const none = await weightLoupe(["compare", llama, gguf, "--tensor", "attn_q"]);
    assert.deepEqual([none.status, /there is no tensor "attn_q"/.test(none.stderr)], [2, true]);
  });

  it("counts what changed beyond a tolerance", async () => {
    const three = join(PAIRS, "three-elements", "b");
    const beyond = async (args: string[]): Promise<number> => {
      const { pairs } = await json<Compare>(["compare", BASE, three, ...args]);
      return pairs.filter(({ changedBeyond }) => changedBeyond > 0).length;
    };
    // One unit in the last place, a sign, times 1.5: |b − a| is 2⁻²³, 2 and 1/3 of the larger.
    assert.deepEqual([await beyond([]), await beyond(["--tolerance", "1e-6"]), await beyond(["--tolerance", "0.5"]), await beyond(["--tolerance", "2"])], [3, 2, 1, 0]);
  });

  it("writes the numbers as comma-separated values", async () => {
    const name = "=cmd, \"quoted\"";
    const a = scratch.write("a.safetensors", model({ [name]: { shape: [2], values: [3, 4] }, plain: { shape: [1], values: [1] } }));
    const b = scratch.write("b.safetensors", model({ [name]: { shape: [2], values: [3, 3] }, plain: { shape: [1], values: [1] } }));
    const { stdout } = await weightLoupe(["compare", a, b, "--csv"]);
    const [header, first, second, end] = stdout.split("\r\n");
    assert.match(header!, /^a,b,shape,equal,norm,relative,cosine,/);
    assert.ok(first!.startsWith("\"'=cmd, \"\"quoted\"\"\",\"'=cmd, \"\"quoted\"\"\",2,false,1,0.2,"), first);
    assert.ok(second!.startsWith("plain,plain,1,true,0,0,1,"), second);
    assert.equal(end, "");
  });

  it("lays an adapter over the other side, and refuses one of another model", async () => {
    const adapter = join(PAIRS, "base-plus-adapter", "adapter");
    const { pairs, totals } = await json<Compare>(["compare", BASE, adapter, "--spectrum"]);
    assert.deepEqual([totals.tensors, totals.equal], [21, 15]);
    // The update's own spectrum, from its factors: no rounding behind its rank.
    for (const { equal, spectrum } of pairs) if (!equal) assert.ok(spectrum!.delta.matrixRank < 40 && spectrum!.delta.matrixRank === spectrum!.delta.singularValues.filter((value) => value > 1e-12 * spectrum!.delta.singularValues[0]!).length);
    const other = await weightLoupe(["compare", join(ADAPTERS, "base", "llama-64"), adapter, "--json"]);
    assert.equal(other.status, 2);
    assert.match((JSON.parse(other.stdout) as { error: { message: string } }).error.message, /belongs to another model/);
  });

  it("compares what is there when a shard is missing, and says what is not", async () => {
    const part = model({ here: { shape: [2], values: [1, 2] } });
    const whole = scratch.write("whole.safetensors", model({ here: { shape: [2], values: [1, 2] }, gone: { shape: [1], values: [1] } }));
    scratch.write("sharded/model-00001-of-00002.safetensors", part);
    scratch.write("sharded/model.safetensors.index.json", { metadata: {}, weight_map: { here: "model-00001-of-00002.safetensors", gone: "model-00002-of-00002.safetensors" } });
    const run = await weightLoupe(["compare", whole, join(scratch.folder, "sharded"), "--json", "--check"]);
    const { pairs, findings } = JSON.parse(run.stdout) as Compare;
    assert.deepEqual([run.status, pairs.map(({ a, equal }) => [a, equal])], [1, [["here", true]]]);
    assert.ok(findings.some(({ rule, message }) => rule === "missing-shard" && message.startsWith("In B: ")));
    assert.ok(JSON.stringify([findings, JSON.parse(run.stdout)]).includes("gone"));
  });

  it("refuses what it does not understand, in one line", async () => {
    for (const [args, line] of [
      [[], /: compare needs two models, A and B/],
      [[BASE], /: compare needs two models, A and B/],
      [[BASE, BASE, BASE], /compare takes two models; what is /],
      [[BASE, BASE, "--spectrum=most"], /--spectrum=most is no mode/],
      [[BASE, BASE, "--tolerance", "-1"], /--tolerance -1 is no tolerance/],
      [[BASE, BASE, "--json", "--csv"], /--json and --csv are two forms of the same/],
      [[BASE, join(scratch.folder, "none.safetensors")], /none\.safetensors: /],
    ] as const) {
      const { status, stderr } = await weightLoupe(["compare", ...args]);
      assert.equal(status, 2, stderr);
      assert.match(stderr.trimEnd().split("\n").at(-1)!, line);
    }
  });
});
