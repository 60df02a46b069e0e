/** Matrix views of tensors, against indexing in plain JavaScript through the real engine. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { flattened, viewAsMatrix } from "../../../src/analysis/matrix-view";
import type { Expression } from "../../../src/engine/protocol";
import { headerOf, safetensorsBytes, Scratch } from "../../files";
import { CountedEngine } from "./engine";

describe("matrix views", () => {
  const scratch = new Scratch();
  const engine = new CountedEngine();
  const bytes = 4 * 240;
  const header = safetensorsBytes(headerOf({ t: { dtype: "F32", shape: [240], bytes } }));
  const file = scratch.write("t.safetensors", Buffer.concat([header, Buffer.from(Float32Array.from({ length: 240 }, (_, i) => i).buffer)]));
  const tensor = (shape: number[]): Expression => ({ kind: "range", file, offset: header.length, bytes: 4 * shape.reduce((a, b) => a * b, 1), dtype: "F32", shape });
  after(async () => {
    await engine.dispose();
    scratch.remove();
  });

  /** Row-major index of an element. */
  const at = (shape: readonly number[], index: readonly number[]): number => index.reduce((sum, i, axis) => sum * shape[axis]! + i, 0);

  it("picks the elements that the view says", async () => {
    const views = fc
      .array(fc.integer({ min: 1, max: 4 }), { minLength: 2, maxLength: 5 })
      .filter((shape) => shape.reduce((a, b) => a * b, 1) <= 240)
      .chain((shape) =>
        fc.record({
          shape: fc.constant(shape),
          axes: fc.uniqueArray(fc.nat(shape.length - 1), { minLength: 2, maxLength: 2 }),
          indices: fc.tuple(...shape.map((n) => fc.nat(n - 1))),
        }),
      );
    await fc.assert(
      fc.asyncProperty(views, async ({ shape, axes: [rowAxis, columnAxis], indices }) => {
        const [rows, columns] = [shape[rowAxis!]!, shape[columnAxis!]!];
        const expression = viewAsMatrix(tensor(shape), shape, { rowAxis: rowAxis!, columnAxis: columnAxis!, indices });
        const result = await engine.request("values", { tensor: expression, window: { rowStart: 0, rowStop: rows, columnStart: 0, columnStop: columns } });
        const expected = Array.from({ length: rows }, (_, r) =>
          Array.from({ length: columns }, (_, c) => at(shape, indices.map((index, axis) => (axis === rowAxis ? r : axis === columnAxis ? c : index)))),
        );
        assert.deepEqual(result.rows, expected);
      }),
      { numRuns: 100 },
    );
  });

  it("shows a vector as one row, a scalar as one element", async () => {
    const view = { rowAxis: 0, columnAxis: 0, indices: [] };
    const values = (shape: number[], columns: number): Promise<{ rows: unknown }> =>
      engine.request("values", { tensor: viewAsMatrix(tensor(shape), shape, view), window: { rowStart: 0, rowStop: 1, columnStart: 0, columnStop: columns } });
    assert.deepEqual((await values([3], 3)).rows, [[0, 1, 2]]);
    assert.deepEqual((await values([], 1)).rows, [[0]]);
  });

  it("refuses axes and indices that do not exist", () => {
    const refused = (rowAxis: number, columnAxis: number, indices: number[], message: RegExp): void =>
      assert.throws(() => viewAsMatrix(tensor([2, 3, 4]), [2, 3, 4], { rowAxis, columnAxis, indices }), message);
    refused(0, 3, [], /there is no axis 3: the tensor has 3 axes/);
    refused(-1, 0, [], /there is no axis -1/);
    refused(1, 1, [], /different axes/);
    refused(0, 1, [0, 0, 4], /there is no index 4 on axis 2: it has 4 entries/);
    refused(0, 1, [0, 0, 0.5], /there is no index 0.5/);
  });

  it("flattens to the first axis by the rest", () => {
    assert.deepEqual(flattened([128, 129, 3]), { rows: 128, columns: 387 });
    assert.deepEqual(flattened([5, 0]), { rows: 5, columns: 0 });
    assert.equal(flattened([7]), null);
    assert.equal(flattened([]), null);
  });
});
