/** Damaged HDF5 files: the library may fail, crash or stall in its thread; the caller gets one sentence. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { CheckpointError } from "../../src/checkpoint/checkpoint";
import { slabsOf } from "../../src/checkpoint/hdf5-slabs";
import { openCheckpoint } from "../../src/checkpoint/registry";
import { fixtures, Scratch } from "../files";

const fixture = (name: string): Buffer => readFileSync(join(fixtures, "hdf5", name));

/** Opens and reads everything; only a CheckpointError may come of it. */
async function survives(path: string): Promise<void> {
  const ours = (error: unknown): void => assert.ok(error instanceof CheckpointError && /^.{10,300}$/.test(error.message), String(error));
  const checkpoint = await openCheckpoint(path).catch(ours);
  for (const { load } of checkpoint?.tensors ?? []) await load?.().catch(ours);
}

describe("malformed HDF5 files", function () {
  this.timeout(60_000);
  const scratch = new Scratch();
  after(() => scratch.remove());

  it("without the signature are refused without the library", async () => {
    for (const bytes of [Buffer.alloc(0), Buffer.from("\x89HDF"), Buffer.alloc(5000, 0x89)]) {
      await assert.rejects(openCheckpoint(scratch.write("x.h5", bytes)), /it has no HDF5 signature; it is incomplete or no HDF5 file/);
    }
  });

  it("cut short are refused or read in part", async () => {
    const whole = fixture("layouts.h5");
    for (const length of [8, 60, 96, 500, 2048, 8000, 20_000, whole.length - 1]) await survives(scratch.write("cut.h5", whole.subarray(0, length)));
    await assert.rejects(openCheckpoint(scratch.write("cut.h5", whole.subarray(0, 2048))), (error) => error instanceof CheckpointError && error.file.endsWith("cut.h5") && /HDF5 library/.test(error.message));
  });

  it("with damaged structure do not take the process with them", async () => {
    for (const name of ["odd_types.hdf5", "superblock_3.h5", "keras2.h5"]) {
      const whole = fixture(name);
      for (let seed = 1; seed <= 8; seed++) {
        const bytes = Buffer.from(whole);
        // A fixed sequence (Lehmer's), so that a failure can be repeated.
        for (let i = 0, state = seed; i < 40; i++) {
          state = (state * 48271) % 2147483647;
          bytes[16 + (state % (whole.length - 16))] = (state >> 8) & 0xff;
        }
        await survives(scratch.write(`damaged-${seed}.h5`, bytes));
      }
    }
  });

  it("changed since they were listed are not read", async () => {
    const path = scratch.write("model.h5", fixture("keras2.h5"));
    const { tensors } = await openCheckpoint(path);
    scratch.write("model.h5", fixture("layouts.h5"));
    await assert.rejects(tensors[0]!.load!(), /the file changed while it was being read; open it again/);
  });

  it("are read in slabs that cover them in order", () =>
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 4 }), fc.integer({ min: 1, max: 50 }), fc.constantFrom(1, 8, 1 << 14, 1 << 20), (shape, chunk, itemBytes) => {
        let next = 0;
        for (const { start, count } of slabsOf(shape, chunk > 40 ? null : shape.map(() => chunk), itemBytes)) {
          const flat = start.reduce((at, index, axis) => at * shape[axis]! + index, 0);
          assert.equal(flat, next);
          next += count.reduce((a, b) => a * b, 1);
        }
        assert.equal(next, shape.reduce((a, b) => a * b, 1));
      }),
      { numRuns: 50 },
    ));
});
