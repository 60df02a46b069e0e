/**
 * How fast structure is there: time and bytes to open checkpoints of awkward sizes, and to pair two of them, from files already
 * in the page cache. Prints one JSON object.
 */
import { readFileSync, rmSync } from "node:fs";
import { Comparison } from "../../src/analysis/compare/comparison";
import type { Engine } from "../../src/analysis/engine";
import { LocalFiles } from "../../src/checkpoint/file-source";
import { openCheckpoint } from "../../src/checkpoint/registry";
import { encodeTable } from "../../src/protocol/tensor-table";
import { Workspace } from "../journey/models";

rmSync(__filename, { force: true });

interface Timing {
  tensors: number;
  milliseconds: number;
  bytesRead: number;
}

async function measure(path: string, rounds: number): Promise<Timing> {
  const runs: Timing[] = [];
  for (let round = 0; round < rounds; round++) {
    const sources = new LocalFiles();
    const begun = performance.now();
    const checkpoint = await openCheckpoint(path, sources);
    encodeTable(checkpoint.tensors);
    runs.push({ tensors: checkpoint.tensors.length, milliseconds: performance.now() - begun, bytesRead: sources.counts.bytes });
  }
  runs.sort((a, b) => a.milliseconds - b.milliseconds);
  return runs[Math.floor(runs.length / 2)]!;
}

/** Until a view could draw the pairs, from headers alone. */
async function pair(a: string, b: string, rounds: number): Promise<Timing> {
  const engine: Engine = { request: () => Promise.reject(new Error("structure needs no engine")) };
  const runs: Timing[] = [];
  for (let round = 0; round < rounds; round++) {
    const sources = new LocalFiles();
    const begun = performance.now();
    const comparison = new Comparison({ a, b, engine, sources });
    const snapshot = await comparison.snapshot();
    const milliseconds = performance.now() - begun;
    await comparison.dispose();
    if (snapshot.status === "failed") throw new Error(snapshot.error.message);
    runs.push({ tensors: snapshot.pairs.length, milliseconds, bytesRead: sources.counts.bytes });
  }
  runs.sort((a, b) => a.milliseconds - b.milliseconds);
  return runs[Math.floor(runs.length / 2)]!;
}

/** What JavaScript's own parser takes for a header, which says how fast this machine's JavaScript is. */
function parse(path: string, rounds: number): Timing {
  const file = readFileSync(path).subarray(0, 64 << 20);
  const header = file.subarray(8, 8 + Number(file.readBigUInt64LE())).toString();
  const times = Array.from({ length: rounds }, () => {
    const begun = performance.now();
    JSON.parse(header);
    return performance.now() - begun;
  });
  return { tensors: 0, milliseconds: times.sort((a, b) => a - b)[Math.floor(rounds / 2)]!, bytesRead: header.length };
}

async function main(): Promise<void> {
  const workspace = new Workspace();
  try {
    await workspace.sparse("thousand.safetensors", 500, 64);
    await workspace.sparse("huge.safetensors", 400, 11_200);
    await workspace.manyTensors("many.safetensors", 500_000);
    await workspace.manyTensors("others.safetensors", 500_000);
    await workspace.llama("a.safetensors");
    await workspace.llama("b.safetensors");
    console.log(
      JSON.stringify({
        thousand: await measure(workspace.path("thousand.safetensors"), 9),
        huge: await measure(workspace.path("huge.safetensors"), 9),
        many: await measure(workspace.path("many.safetensors"), 3),
        pairOfLlamas: await pair(workspace.path("a.safetensors"), workspace.path("b.safetensors"), 9),
        pairOfMany: await pair(workspace.path("many.safetensors"), workspace.path("others.safetensors"), 3),
        parsed: parse(workspace.path("many.safetensors"), 3),
      }),
    );
  } finally {
    workspace.remove();
  }
}

void main();
