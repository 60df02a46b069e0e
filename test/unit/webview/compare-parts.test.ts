/** Pieces of the comparison's pages: groups of lines, cells by layer and kind, scales of colour, names. */
import assert from "node:assert/strict";
import { shortName } from "../../../src/protocol/short-name";
import { binned } from "../../../webview/compare/binned";
import { cellsOf, scaleOf } from "../../../webview/compare/cells";
import { decodeLines, grouped, lineValues, pooledLines, runOf } from "../../../webview/compare/lines";
import { decodeFloats, localMatrix } from "../../../webview/compare/local-matrix";
import { measureById } from "../../../webview/compare/measures";
import { stripsOf } from "../../../webview/compare/strips";

const base64 = (values: Float64Array | Uint32Array | Float32Array): string => Buffer.from(values.buffer).toString("base64");
const how = { method: "one pass over both", precision: "f64", exact: true, backend: "cpu", threads: 1 };

/** Lines of a 4 × 2 difference: rows 2 and 3 changed by (3, 4) and (0, 5). */
const rows = { count: 4, squares: base64(Float64Array.of(0, 0, 25, 25)), reference: base64(Float64Array.of(1, 4, 100, 0)), differing: base64(Uint32Array.of(0, 0, 2, 1)) };
const columns = { count: 2, squares: base64(Float64Array.of(9, 41)), reference: base64(Float64Array.of(50, 55)), differing: base64(Uint32Array.of(1, 2)) };

describe("lines of a difference", () => {
  it("are norms, shares of A's norms, and shares of elements", () => {
    const lines = decodeLines(rows, 2);
    assert.deepEqual([...lineValues(lines, "norm")], [0, 0, 5, 5]);
    // Where A is zero and B is not, the change is infinitely larger.
    assert.deepEqual([...lineValues(lines, "relative")], [0, 0, 0.5, Infinity]);
    assert.deepEqual([...lineValues(lines, "changed")], [0, 0, 1, 0.5]);
  });

  it("make heads of neighbouring lines", () => {
    const heads = grouped(decodeLines(rows, 2), 2);
    assert.deepEqual([...lineValues(heads, "norm")], [0, Math.sqrt(50)]);
    assert.deepEqual([...lineValues(heads, "changed")], [0, 0.75]);
  });

  it("are drawn as the largest of each run, every line in one", () => {
    const values = Float64Array.from({ length: 1000 }, (_, i) => i);
    const drawn = pooledLines(values, 300);
    assert.equal(drawn.length, 300);
    assert.equal(drawn.at(-1), 999);
    let next = 0;
    for (let i = 0; i < 300; i++) {
      const [from, to] = runOf(i, 300, 1000);
      assert.equal(from, next);
      assert.equal(drawn[i], to);
      next = to + 1;
    }
    assert.equal(next, 1000);
  });

  it("are refused when they do not hold what they announce", () => {
    assert.throws(() => decodeLines({ ...rows, count: 5 }, 2), /32 bytes where 40/);
  });

  it("stand by head where the model says how large one is, on the axis that the projection has them on", () => {
    const difference = { rows, columns } as Parameters<typeof stripsOf>[0];
    const heads = { size: 2, query: 2, keyValue: 2 };
    const words = (name: string): string[] => stripsOf({ ...difference, how }, { a: null, shape: [4, 2], name }, undefined, heads).map(({ word, lines }) => `${word} ${lines.squares.length}`);
    assert.deepEqual(words("model.layers.0.self_attn.q_proj.weight"), ["head 2", "row 4", "column 2"]);
    assert.deepEqual(words("model.layers.0.mlp.up_proj.weight"), ["row 4", "column 2"]);
  });
});

describe("the map by layer and kind", () => {
  const kinds = { names: ["embed", "q", "up"], kind: [0, 1, 2, 1, 2, 2], layer: [-1, 0, 0, 1, 1, 1] };

  it("has a cell for each layer and kind, and what is outside of layers in the first column", () => {
    const cells = cellsOf(kinds, [0, 1, 2, 3, 4, 5], 6);
    assert.deepEqual(cells, { kinds: ["embed", "q", "up"], layers: [-1, 0, 1], entries: [[0], [], [], [], [1], [3], [], [2], [4, 5]] });
  });

  it("leaves out what is no pair", () => {
    assert.deepEqual(cellsOf(kinds, [0, 1, 2, 3, 4, 5], 2).entries, [[0], [], [], [1]]);
  });

  it("colours magnitudes logarithmically, zero apart, and small cosines as what stands out", () => {
    const log = scaleOf([0, 0.001, 0.1], measureById("relative")!);
    assert.equal(log.share(0), 0);
    assert.ok(log.share(0.001)! > 0 && log.share(0.01)! < log.share(0.1)!);
    assert.equal(log.share(0.1), 1);
    assert.equal(log.share(NaN), null);
    const cosine = scaleOf([0.5, 1], measureById("cosine")!);
    assert.deepEqual([cosine.share(0.5), cosine.share(1)], [1, 0]);
  });
});

describe("relative changes by factors of ten", () => {
  it("are counted once each, equal ones apart", () => {
    const { edges, counts, equal } = binned([0, 0, 0.1, 0.012, 0.5, NaN, Infinity]);
    assert.equal(equal, 2);
    assert.equal(counts.reduce((a, b) => a + b, 0), 3);
    const bin = counts.findIndex((count) => count > 0);
    assert.ok(10 ** edges[bin]! <= 0.012 && 10 ** edges[bin + 1]! > 0.012);
  });
});

describe("a matrix that the page holds itself", () => {
  it("is read as numbers and as pooled pixels", async () => {
    const values = decodeFloats(base64(Float32Array.of(1, 2, 3, 4)), 4);
    const loader = localMatrix(values, 2);
    const window = { rowStart: 0, rowStop: 2, columnStart: 0, columnStop: 2 };
    const { signal } = new AbortController();
    assert.deepEqual((await loader.values(window, signal)).rows, [[1, 2], [3, 4]]);
    const { mean, max } = await loader.picture(window, 1, 2, signal);
    assert.deepEqual([...decodeFloats(mean, 2)], [2, 3]);
    assert.deepEqual([...decodeFloats(max, 2)], [3, 4]);
  });
});

describe("a path beside another", () => {
  it("is as short as tells the two apart", () => {
    assert.equal(shortName("/m/base/model.safetensors", "/m/tuned/model.safetensors"), "base/model.safetensors");
    assert.equal(shortName("/m/base.safetensors", "/m/tuned.safetensors"), "base.safetensors");
    assert.equal(shortName("/m/base/x/model.st", "/m/tuned/x/model.st"), "base/x/model.st");
    assert.equal(shortName("/m/base.st", "/m/base.st"), "base.st");
    assert.equal(shortName("C:\\m\\base\\", "C:\\m\\tuned"), "base");
  });
});
