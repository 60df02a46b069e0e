/** Two open models with the real engine, on real files: order, bounds, cancellation, files that change, what a view asks for. */
import assert from "node:assert/strict";
import { utimesSync } from "node:fs";
import { join } from "node:path";
import { ResultCache } from "../../../../src/analysis/cache";
import { Comparison, type ComparisonEvents, type ComparisonOptions } from "../../../../src/analysis/compare/comparison";
import { documentOf } from "../../../../src/analysis/compare/document";
import type { Checkpoint } from "../../../../src/checkpoint/checkpoint";
import { openCheckpoint } from "../../../../src/checkpoint/registry";
import type { Params, RequestOptions } from "../../../../src/engine/client";
import type { EngineMethod, EngineRequests } from "../../../../src/engine/protocol";
import type { CompareSnapshot } from "../../../../src/protocol/compare";
import { toNumber } from "../../../../src/protocol/results";
import { svd } from "../../../expressions";
import { headerOf, safetensorsBytes, Scratch } from "../../../files";
import { CountedEngine } from "../engine";

interface Made {
  shape: number[];
  values: ArrayLike<number>;
}

function model(tensors: Record<string, Made>): Uint8Array {
  const header = headerOf(Object.fromEntries(Object.entries(tensors).map(([name, { shape, values }]) => [name, { dtype: "F32", shape, bytes: 4 * values.length }])));
  return safetensorsBytes(header, Buffer.concat(Object.values(tensors).map(({ values }) => Buffer.from(Float32Array.from(values).buffer))));
}

/** Numbers that look random and are the same each time. */
function noise(count: number, seed: number): Float64Array {
  let state = seed * 2654435761 + 1;
  return Float64Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

function ready(snapshot: CompareSnapshot): Extract<CompareSnapshot, { status: "ready" }> {
  assert.ok(snapshot.status === "ready", JSON.stringify(snapshot).slice(0, 300));
  return snapshot;
}

/** The engine, with something done before requests are passed on, and what was asked kept. */
class WatchedEngine extends CountedEngine {
  before: ((method: EngineMethod, params: unknown) => void | Promise<void>) | null = null;

  override async request<M extends EngineMethod>(method: M, params: Params<M>, options?: RequestOptions): Promise<EngineRequests[M]["result"]> {
    await this.before?.(method, params);
    return super.request(method, params, options);
  }
}

describe("comparison", () => {
  let scratch: Scratch;
  const engine = new WatchedEngine();
  const opened: Comparison[] = [];
  const compare = (a: string, b: string, options: Partial<ComparisonOptions> = {}): Comparison => {
    const comparison = new Comparison({ a, b, engine, ...options });
    opened.push(comparison);
    return comparison;
  };
  const events = <K extends keyof ComparisonEvents>(comparison: Comparison, kind: K): Parameters<ComparisonEvents[K]>[0][] => {
    const seen: Parameters<ComparisonEvents[K]>[0][] = [];
    comparison.on({ [kind]: (event: Parameters<ComparisonEvents[K]>[0]) => seen.push(event) });
    return seen;
  };
  /** Two models of many small tensors, of which those in `changed` differ. */
  const many = (count: number, changed: readonly number[]): [string, string] => {
    const tensors = (edit: boolean): Record<string, Made> =>
      Object.fromEntries(Array.from({ length: count }, (_, i): [string, Made] => [`layers.${i}.weight`, { shape: [4, 3], values: noise(12, i).map((value, j) => (edit && changed.includes(i) && j === 5 ? value + 1 : value)) }]));
    return [scratch.write("a.safetensors", model(tensors(false))), scratch.write("b.safetensors", model(tensors(true)))];
  };

  beforeEach(() => {
    scratch = new Scratch();
    engine.forget();
    engine.before = null;
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((comparison) => comparison.dispose()));
    scratch.remove();
  });
  after(() => engine.dispose());

  it("tells results and totals as they come, and how far it is", async () => {
    const comparison = compare(...many(30, [3, 20]));
    const [results, progress] = [events(comparison, "results"), events(comparison, "progress")];
    const outcome = await comparison.analyse({ parts: ["difference"] });
    assert.deepEqual(outcome, { done: 30, failed: [], cancelled: false });
    assert.ok(engine.most <= 16, `${engine.most} under way`);
    const told = results.flatMap((event) => event.results);
    assert.deepEqual([...new Set(told.map(({ pair }) => pair))].length, 30);
    assert.deepEqual(results.at(-1)!.totals, comparison.totals());
    assert.deepEqual([comparison.totals().tensors, comparison.totals().equal, comparison.totals().changed], [30, 28, 2]);
    assert.deepEqual([progress.at(-1)!.running, progress.at(-1)!.done, progress.at(-1)!.total], [false, 30, 30]);
    assert.match(results.at(-1)!.summary[0]!, /^Equal but for 2 elements: layers\.3\[1, 2\] and layers\.20\[1, 2\]\.$/);
    // What is known is not asked for again.
    engine.forget();
    assert.equal((await comparison.analyse({ parts: ["difference"] })).done, 0);
    assert.deepEqual(engine.asked, []);
  });

  it("glances at large pairs, then compares those first whose change it expects to be the largest", async () => {
    const side = 600;
    const sizes = { least: 0.001, most: 1, none: 0, middle: 0.1 };
    const tensors = (edit: boolean): Record<string, Made> => ({
      ...Object.fromEntries(Object.entries(sizes).map(([name, size], seed): [string, Made] => {
        const values = noise(side * side, seed);
        return [name, { shape: [side, side], values: edit ? values.map((value) => value * (1 + size)) : values }];
      })),
      small: { shape: [2], values: [1, 2] },
    });
    const comparison = compare(scratch.write("a.safetensors", model(tensors(false))), scratch.write("b.safetensors", model(tensors(true))));
    const { pairing, a } = await comparison.opened();
    const offsets = new Map(pairing.pairs.map((pair) => {
      const { expression, name } = a.checkpoint.tensors[pair.a.tensor]!;
      return [(expression as { offset: number }).offset, name];
    }));
    const asked: string[] = [];
    engine.before = (_, params) => {
      const of = (params as { a: { kind: string; offset: number; of: { offset: number } } }).a;
      asked.push(of.kind === "slice" ? `rows of ${offsets.get(of.of.offset)}` : offsets.get(of.offset)!);
    };
    await comparison.analyse({ parts: ["difference"] });
    assert.deepEqual(asked.slice(0, 5), ["small", "rows of least", "rows of most", "rows of none", "rows of middle"]);
    assert.deepEqual(asked.slice(5), ["most", "middle", "least", "none"]);
    const { pairs } = await documentOf(comparison);
    assert.deepEqual(pairs.map((pair) => pair.a), ["most", "middle", "least", "none", "small"]);
  });

  it("stops, and goes on where it was", async () => {
    const comparison = compare(...many(200, [1]));
    let asked = 0;
    engine.before = () => {
      if (++asked === 40) comparison.stopAnalysis();
    };
    const stopped = await comparison.analyse({ parts: ["difference"] });
    assert.ok(stopped.cancelled && stopped.failed.length === 0 && stopped.done < 200);
    const known = comparison.totals().tensors;
    assert.ok(known > 0 && known < 200, `${known} known`);
    assert.match(comparison.summary()[0]!, /^Of \d+ of 200 pairs compared: /);
    engine.before = null;
    const rest = await comparison.analyse({ parts: ["difference"] });
    assert.deepEqual([rest.cancelled, rest.done, comparison.totals().tensors], [false, 200 - known, 200]);
    const abort = new AbortController();
    abort.abort();
    assert.equal((await comparison.analyse({ parts: ["structure"] }, abort.signal)).cancelled, true);
  });

  it("notices that a file changes while it is compared: drops what is of the old version, says so, and does it anew", async () => {
    const [a, b] = many(120, [1, 2]);
    const comparison = compare(a, b);
    await comparison.opened();
    let asked = 0;
    engine.before = () => {
      // In place, as large as before: only its time tells.
      if (++asked === 50) {
        many(120, [5, 6, 7]);
        utimesSync(b, new Date(), new Date(Date.now() + 5000));
      }
    };
    const outcome = await comparison.analyse({ parts: ["difference"] });
    assert.ok(outcome.failed.length > 0 && outcome.failed.every(({ message }) => message.includes("changed")), JSON.stringify(outcome.failed[0]));
    // Both files were rewritten; nothing of before is left.
    assert.equal(comparison.totals().tensors, 0);
    const finding = comparison.findings().find(({ rule }) => rule === "changed")!;
    assert.match(finding.message, /^(?:[ab]\.safetensors(?:, )?)+ changed after .*: those results are dropped; compare again\.$/);
    assert.ok(ready(await comparison.snapshot()).rewritten.includes(b));
    engine.before = null;
    await comparison.reload();
    assert.equal((await comparison.analyse({ parts: ["difference"] })).failed.length, 0);
    assert.deepEqual([comparison.totals().tensors, comparison.totals().changed, comparison.findings()], [120, 3, []]);
    assert.deepEqual(ready(await comparison.snapshot()).rewritten, []);
  });

  it("keeps what it knows when a file is read again unchanged, and only then", async () => {
    const [a, b] = many(10, [1]);
    const comparison = compare(a, b);
    await comparison.analyse({ parts: ["difference"] });
    await comparison.reload();
    assert.equal(comparison.totals().tensors, 10);
    utimesSync(b, new Date(), new Date(Date.now() + 9000));
    await comparison.reload();
    assert.deepEqual([comparison.totals().tensors, ready(await comparison.snapshot()).rewritten], [0, [b]]);
    assert.ok(comparison.findings().some(({ rule }) => rule === "changed"));
  });

  it("finds in the cache what an earlier session computed of both files, and not when one has changed", async () => {
    const files = many(8, [2]);
    const cache = (): ResultCache => new ResultCache({ folder: join(scratch.folder, "cache"), engine: "tested" });
    const first = compare(...files, { cache: cache() });
    await first.analyse({ parts: ["difference"] });
    await first.dispose();
    engine.forget();
    const second = compare(...files, { cache: cache() });
    const results = events(second, "results");
    await second.opened();
    for (let i = 0; i < 100 && second.totals().tensors < 8; i++) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual([second.totals(), engine.asked], [first.totals(), []]);
    for (let i = 0; i < 100 && results.length === 0; i++) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(results.flatMap((event) => event.results).length, 8);
    utimesSync(files[1], new Date(), new Date(Date.now() + 9000));
    const third = compare(...files, { cache: cache() });
    await third.analyse({ parts: ["difference"] });
    assert.equal(engine.asked.length, 8);
  });

  it("exchanges the models, pairs by hand, and switches rules", async () => {
    const a = scratch.write("a.safetensors", model({ x: { shape: [2], values: [3, 4] }, y: { shape: [2], values: [1, 1] }, alone: { shape: [2], values: [1, 0] } }));
    const b = scratch.write("b.safetensors", model({ "model.x": { shape: [2], values: [3, 5] }, "model.y": { shape: [2], values: [1, 1] }, other: { shape: [2], values: [1, 2] } }));
    const comparison = compare(a, b);
    const changed = events(comparison, "changed");
    await comparison.analyse({ parts: ["difference"] });
    const before = ready(await comparison.snapshot());
    assert.deepEqual([before.pairs.length, before.pairs.onlyInA, before.pairs.onlyInB, before.totals!.norm], [2, [2], [2], 1]);

    await comparison.pairUp(2, 2);
    const paired = ready(changed.at(-1)!);
    assert.deepEqual([paired.pairs.length, paired.pairs.onlyInA, paired.results.length], [3, [], 2]);
    assert.ok(paired.revision > before.revision);
    await comparison.analyse({ parts: ["difference"] });
    assert.equal(comparison.totals().norm, Math.sqrt(5));

    await comparison.swap();
    assert.deepEqual(comparison.paths, { a: b, b: a });
    await comparison.analyse({ parts: ["difference"] });
    const { pairs } = await documentOf(comparison);
    assert.deepEqual(pairs.map((pair) => [pair.a, pair.b]), [["other", "alone"], ["model.x", "x"], ["model.y", "y"]]);
    assert.equal(pairs[1]!.relative, 1 / Math.sqrt(34));

    const rule = ready(changed.at(-1)!).pairs.rules.find(({ id }) => id !== "chosen")!;
    await comparison.switchRule(rule.id, false);
    const without = ready(changed.at(-1)!);
    assert.deepEqual([without.pairs.length, without.pairs.onlyInA.length, without.pairs.rules.find(({ id }) => id === rule.id)?.on], [1, 2, false]);
    await assert.rejects(comparison.pairUp(99, null), /There is no tensor 99/);
  });

  it("compares tied tensors once", async () => {
    const [a, b] = [scratch.write("a.safetensors", model({ embed: { shape: [2, 2], values: [1, 2, 2, 4] } })), scratch.write("b.safetensors", model({ embed: { shape: [2, 2], values: [1, 2, 2, 0] } }))];
    const tied = async (path: string): Promise<Checkpoint> => {
      const checkpoint = await openCheckpoint(path);
      const [embed] = checkpoint.tensors;
      return { ...checkpoint, tensors: [{ ...embed!, sharedWith: ["head"] }, { ...embed!, name: "head", sharedWith: ["embed"] }] };
    };
    const comparison = compare(a, b, { open: tied });
    const results = events(comparison, "results");
    assert.equal((await comparison.analyse({ parts: ["difference"] })).done, 1);
    assert.deepEqual(engine.asked, ["difference"]);
    const { pairs, totals, findings } = await documentOf(comparison);
    assert.deepEqual(pairs.map(({ a: name, norm, tiedTo }) => [name, norm, tiedTo]), [["embed", 4, undefined], ["head", 4, "embed"]]);
    assert.deepEqual([totals.tensors, totals.parameters, totals.changed, totals.norm, totals.relative], [2, 4, 1, 4, 0.8]);
    assert.ok(findings.some(({ rule, tensor }) => rule === "tied" && tensor === "head"));
    assert.deepEqual(results.flatMap((event) => event.results).map(({ pair }) => pair), [0, 1]);
  });

  it("gives distributions, pictures, values and details of A, B and B − A", async () => {
    const [x, y] = [noise(40, 1), noise(40, 2)];
    const comparison = compare(scratch.write("a.safetensors", model({ w: { shape: [2, 4, 5], values: x } })), scratch.write("b.safetensors", model({ w: { shape: [2, 4, 5], values: y } })));
    const delta = Float64Array.from(y, (value, i) => Math.fround(value) - Math.fround(x[i]!));
    const view = { rowAxis: 2, columnAxis: 1, indices: [1, 0, 0] };
    const window = { rowStart: 0, rowStop: 5, columnStart: 0, columnStop: 4 };
    const { rows } = await comparison.values(0, "delta", view, window);
    assert.deepEqual(rows, Array.from({ length: 5 }, (_, row) => Array.from({ length: 4 }, (_, column) => delta[20 + 5 * column + row])));
    const { mean } = await comparison.picture(0, "delta", view, window, 5, 4);
    const pixels = Buffer.from(mean, "base64");
    assert.equal(pixels.readFloatLE(0), Math.fround(delta[20]!));
    const { linear } = await comparison.histogram(0, "delta", { bins: 4, binsPerDecade: 2 });
    assert.deepEqual([toNumber(linear.low), toNumber(linear.high), linear.counts.reduce((sum, count) => sum + count)], [Math.min(...delta), Math.max(...delta), 40]);
    const { histogram, rows: lines, worstBlocks, norm } = await comparison.difference(0, 4);
    assert.equal([...histogram!.negative, ...histogram!.positive].reduce((sum, count) => sum + count, 0), 40);
    assert.equal(lines!.count, 2);
    assert.ok(worstBlocks!.length > 0 && Math.abs(toNumber(norm) - Math.hypot(...delta)) < 1e-12);
    await assert.rejects(comparison.modeSpectrum(0, "a", 3), /There is no axis 3/);
  });

  it("takes codes with scales for the values that they stand for: their difference is quantisation error", async () => {
    const values = [0.5, -1, 0.26, 0.74];
    const codes = Int8Array.from([2, -4, 1, 3]);
    const header = headerOf({ "l.weight": { dtype: "I8", shape: [2, 2], bytes: 4 }, "l.weight_scale": { dtype: "F32", shape: [2, 1], bytes: 8 } });
    const quantised = safetensorsBytes(header, Buffer.concat([Buffer.from(codes.buffer), Buffer.from(Float32Array.of(0.25, 0.25).buffer)]));
    const comparison = compare(scratch.write("a.safetensors", model({ "l.weight": { shape: [2, 2], values } })), scratch.write("b.safetensors", quantised));
    await comparison.analyse({ parts: ["difference"] });
    const { pairs, onlyInB, summary } = await documentOf(comparison);
    const error = Math.hypot(Math.fround(0.26) - 0.25, Math.fround(0.74) - 0.75);
    const signal = Math.hypot(...values.map(Math.fround));
    assert.deepEqual([pairs.length, onlyInB], [1, []]);
    assert.ok(Math.abs(toNumber(pairs[0]!.sqnrDb!) - 20 * Math.log10(signal / error)) < 1e-9);
    assert.match(summary[0]!, /^The same weights, quantised to I8 in B: SQNR /);
  });

  it("finds the mode ranks of a planted Tucker tensor, and the spectra of its unfoldings", async () => {
    const [shape, ranks] = [[6, 5, 4, 3], [3, 2, 2, 2]];
    const core = noise(24, 9);
    const factors = shape.map((length, mode) => noise(length * ranks[mode]!, mode));
    const at = (flat: number, axes: number[]): number[] => axes.map((length, axis) => Math.floor(flat / axes.slice(axis + 1).reduce((product, n) => product * n, 1)) % length);
    const planted = Float64Array.from({ length: 360 }, (_, i) => {
      const index = at(i, shape);
      return core.reduce((sum, g, j) => sum + at(j, ranks).reduce((product, r, mode) => product * factors[mode]![index[mode]! * ranks[mode]! + r]!, g), 0);
    });
    const comparison = compare(scratch.write("a.safetensors", model({ conv: { shape, values: new Float64Array(360) } })), scratch.write("b.safetensors", model({ conv: { shape, values: planted } })));
    for (const [axis, rank] of ranks.entries()) {
      const { matrixRank, singularValues, rows, columns } = await comparison.modeSpectrum(0, "delta", axis);
      assert.deepEqual([matrixRank, rows, columns], [rank, shape[axis], 360 / shape[axis]!]);
      // Columns in any order have the same spectrum: here by the axis and the flat position.
      const lines = Array.from({ length: shape[axis]! }, () => [] as number[]);
      planted.forEach((value, i) => lines[at(i, shape)[axis]!]!.push(Math.fround(value)));
      const wanted = svd({ shape: [rows, columns], data: Float64Array.from(lines.flat()) }).s.data;
      singularValues.forEach((value, i) => assert.ok(Math.abs(value - wanted[i]!) < 1e-9 * wanted[0]!));
    }
  });

  it("reads ranks off a change as defined: σ = (3, 2, 1)", async () => {
    const zeros = { shape: [3, 3], values: new Float64Array(9) };
    const comparison = compare(scratch.write("a.safetensors", model({ w: zeros })), scratch.write("b.safetensors", model({ w: { shape: [3, 3], values: [3, 0, 0, 0, 2, 0, 0, 0, 1] } })));
    const spectrum = await comparison.spectrum(0, "delta", "exact");
    assert.deepEqual(spectrum.energyRank, { "0.9": 2, "0.95": 3, "0.99": 3 });
    assert.ok(Math.abs(toNumber(spectrum.stableRank) - 1.5555555555555556) < 1e-12);
    assert.ok(Math.abs(toNumber(spectrum.effectiveRank) - 2.749459273997205) < 1e-12);
    assert.equal(spectrum.matrixRank, 3);
  });
});
