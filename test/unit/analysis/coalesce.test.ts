/** Sharing computations in flight. */
import assert from "node:assert/strict";
import { Coalescer } from "../../../src/analysis/coalesce";

/** A computation that ends when told to. */
class Work {
  started = 0;
  signal: AbortSignal | undefined;
  finish!: (value: number) => void;
  fail!: (error: Error) => void;
  readonly start = (signal: AbortSignal): Promise<number> => {
    this.started++;
    this.signal = signal;
    return new Promise((resolve, reject) => {
      this.finish = resolve;
      this.fail = reject;
    });
  };
}

describe("coalescing", () => {
  it("computes once for those who ask at the same time, again for those who ask later", async () => {
    const coalescer = new Coalescer();
    const work = new Work();
    const both = Promise.all([coalescer.share("a", undefined, work.start), coalescer.share("a", new AbortController().signal, work.start)]);
    await Promise.resolve();
    assert.equal(work.started, 1);
    work.finish(7);
    assert.deepEqual(await both, [7, 7]);
    const again = coalescer.share("a", undefined, work.start);
    assert.equal(work.started, 2);
    work.finish(8);
    assert.equal(await again, 8);
  });

  it("keeps keys apart", () => {
    const coalescer = new Coalescer();
    const [a, b] = [new Work(), new Work()];
    void coalescer.share("a", undefined, a.start);
    void coalescer.share("b", undefined, b.start);
    assert.deepEqual([a.started, b.started], [1, 1]);
  });

  it("hands an error to all", async () => {
    const coalescer = new Coalescer();
    const work = new Work();
    const asked = [coalescer.share("a", undefined, work.start), coalescer.share("a", new AbortController().signal, work.start)];
    work.fail(new Error("no"));
    for (const one of asked) await assert.rejects(one, /no/);
  });

  it("lets a caller leave at once, and stops the work with the last", async () => {
    const coalescer = new Coalescer();
    const work = new Work();
    const [first, second] = [new AbortController(), new AbortController()];
    const one = coalescer.share("a", first.signal, work.start);
    const two = coalescer.share("a", second.signal, work.start);
    first.abort();
    await assert.rejects(one, { name: "AbortError" });
    assert.equal(work.signal?.aborted, false);
    second.abort();
    await assert.rejects(two, { name: "AbortError" });
    assert.equal(work.signal?.aborted, true);
  });

  it("does not stop the work of one who cannot leave", async () => {
    const coalescer = new Coalescer();
    const work = new Work();
    const leaving = new AbortController();
    const stays = coalescer.share("a", undefined, work.start);
    const leaves = coalescer.share("a", leaving.signal, work.start);
    leaving.abort();
    await assert.rejects(leaves);
    assert.equal(work.signal?.aborted, false);
    work.finish(3);
    assert.equal(await stays, 3);
  });

  it("starts afresh after work was stopped, before that has ended", async () => {
    const coalescer = new Coalescer();
    const work = new Work();
    const leaving = new AbortController();
    const leaves = coalescer.share("a", leaving.signal, work.start);
    leaving.abort();
    await assert.rejects(leaves);
    const again = coalescer.share("a", undefined, work.start);
    assert.equal(work.started, 2);
    work.finish(1);
    assert.equal(await again, 1);
  });

  it("does not start for a caller who has left already", async () => {
    const work = new Work();
    await assert.rejects(new Coalescer().share("a", AbortSignal.abort(), work.start), { name: "AbortError" });
    assert.equal(work.started, 0);
  });
});
