// How long structure takes: opening a checkpoint, and what a view receives of it. `node scripts/bench/structure.mjs`.
import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const REPEATS = 7;

/**
 * @typedef {{ what: string, milliseconds: number, goalMilliseconds: number | null, bytesRead: number, headerBytes: number }} Row
 */

/**
 * Opens generated checkpoints with the extension's own code and encodes what a view gets. Times are medians.
 * @returns {Promise<Row[]>}
 */
export async function measureStructure() {
  const folder = mkdtempSync(path.join(tmpdir(), "weight-loupe-bench-"));
  try {
    const code = await load(folder);
    const cases = [
      { what: "1,000 tensors", goal: 300, ...single(folder, "1k", 1000, 4096) },
      { what: "1,000 tensors in a sparse 100 GB file", goal: 300, ...single(folder, "100g", 1000, 100e6) },
      { what: "500,000 tensors in one file", goal: 2000, ...single(folder, "500k", 500_000, 4) },
      { what: "500,000 tensors in 50 shards", goal: 2000, ...sharded(folder, "500k-sharded", 500_000, 50) },
    ];
    const rows = [];
    for (const { what, goal, file, headerBytes } of cases) rows.push({ what, goalMilliseconds: goal, headerBytes, ...(await open(code, file)) });
    return rows;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param {string} folder */
async function load(folder) {
  const outfile = path.join(folder, "code.cjs");
  const contents = `
    export { openCheckpoint } from "./src/checkpoint/registry";
    export { LocalFiles } from "./src/checkpoint/file-source";
    export { overviewOf, tableOf } from "./src/analysis/overview";`;
  await esbuild.build({ stdin: { contents, resolveDir: root, loader: "ts" }, outfile, bundle: true, platform: "node", format: "cjs", logLevel: "warning" });
  return createRequire(import.meta.url)(outfile);
}

/**
 * @param {any} code
 * @param {string} file
 */
async function open(code, file) {
  /** @type {number[]} */
  const times = [];
  let bytesRead = 0;
  for (let i = 0; i < REPEATS; i++) {
    const files = new code.LocalFiles();
    const start = performance.now();
    const checkpoint = await code.openCheckpoint(file, files);
    structuredClone({ overview: code.overviewOf(checkpoint, "model", true), table: code.tableOf(checkpoint) });
    times.push(performance.now() - start);
    bytesRead = files.counts.bytes;
  }
  return { milliseconds: times.sort((a, b) => a - b)[REPEATS >> 1] ?? NaN, bytesRead };
}

/**
 * Tensors of a deep model, one after the other.
 * @param {number} from
 * @param {number} count
 * @param {number} bytes of each
 */
function header(from, count, bytes) {
  const parts = [];
  for (let i = 0; i < count; i++) {
    const name = `model.layers.${Math.floor((from + i) / 8)}.mlp.experts.${(from + i) % 8}.up_proj.weight`;
    parts.push(`"${name}":{"dtype":"F32","shape":[${bytes / 4}],"data_offsets":[${i * bytes},${(i + 1) * bytes}]}`);
  }
  return Buffer.from(`{${parts.join(",")}}`);
}

/**
 * @param {string} file
 * @param {Buffer} json
 * @param {number} bytes of data, which take no room on the disk
 */
function write(file, json, bytes) {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const handle = openSync(file, "w");
  writeSync(handle, Buffer.concat([length, json]));
  ftruncateSync(handle, 8 + json.length + bytes);
  closeSync(handle);
}

/**
 * @param {string} folder
 * @param {string} name
 * @param {number} count
 * @param {number} bytes of each tensor
 */
function single(folder, name, count, bytes) {
  const file = path.join(folder, `${name}.safetensors`);
  const json = header(0, count, bytes);
  write(file, json, count * bytes);
  return { file, headerBytes: 8 + json.length };
}

/**
 * @param {string} folder
 * @param {string} name
 * @param {number} count
 * @param {number} shards
 */
function sharded(folder, name, count, shards) {
  const place = path.join(folder, name);
  mkdirSync(place);
  const each = count / shards;
  /** @type {Record<string, string>} */
  const map = {};
  let headerBytes = 0;
  for (let shard = 0; shard < shards; shard++) {
    const json = header(shard * each, each, 4);
    const shardName = `model-${shard}.safetensors`;
    write(path.join(place, shardName), json, each * 4);
    for (const tensor of Object.keys(JSON.parse(json.toString()))) map[tensor] = shardName;
    headerBytes += 8 + json.length;
  }
  const file = path.join(place, "model.safetensors.index.json");
  const index = JSON.stringify({ metadata: { total_size: count * 4 }, weight_map: map });
  writeFileSync(file, index);
  return { file, headerBytes: headerBytes + index.length };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const { what, milliseconds, goalMilliseconds, bytesRead, headerBytes } of await measureStructure()) {
    const beyond = (bytesRead - headerBytes).toLocaleString("en-US");
    console.log(`${what.padEnd(40)} ${milliseconds.toFixed(1).padStart(8)} ms  (goal ${goalMilliseconds} ms)  ${bytesRead.toLocaleString("en-US")} bytes read, ${beyond} beyond the headers`);
  }
}
