// `npm run bench [-- --only structure,window,bandwidth,difference,decoding,spectra,merge] [--quick] [--larger-than-memory] [--json FILE]`:
// what this machine measures, as ratios taken in one run. Peers are whatever NumPy, SciPy, PyTorch and mergekit $PYTHON (default python3) can import.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import * as esbuild from "esbuild";
import { benchDifference } from "./difference.mjs";
import { benchMerge } from "./merge.mjs";
import { benchSpectra } from "./spectra.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
process.chdir(root);
const { values } = parseArgs({
  options: { only: { type: "string", default: "structure,window,bandwidth,difference,decoding,spectra,merge" }, quick: { type: "boolean", default: false }, "larger-than-memory": { type: "boolean", default: false }, json: { type: "string" } },
});
const parts = new Set(values.only.split(","));
const scratch = mkdtempSync(path.join(os.tmpdir(), "weight-loupe-bench-"));

/** @typedef {{ what: string, measured: string, goal: string, met: boolean | null }} Row */
/** @type {Row[]} */
const rows = [];

try {
  const built = spawnSync(process.execPath, ["scripts/build.mjs"], { stdio: ["ignore", "inherit", "inherit"] });
  if (built.status !== 0) throw new Error("The build failed.");
  if (parts.has("structure")) rows.push(...structure(await program("structure")));
  if (parts.has("window")) rows.push(...windows(await program("window")));
  if (parts.has("bandwidth")) rows.push(...bandwidth(example("weight-loupe-engine", "bandwidth", [values.quick ? "256" : "1024", "2"])));
  if (parts.has("difference")) rows.push(...(await benchDifference({ scratch, quick: values.quick, larger: values["larger-than-memory"], ours: (args) => example("weight-loupe-engine", "difference", args) })));
  if (parts.has("decoding")) rows.push(...decoding(example("weight-loupe-engine", "decoding", [values.quick ? "32" : "128", "2"])));
  if (parts.has("spectra")) rows.push(...(await benchSpectra({ scratch, quick: values.quick, ours: exampleCommand("weight-loupe-linalg", "spectra") })));
  if (parts.has("merge")) rows.push(...(await benchMerge({ scratch, quick: values.quick })));
  print();
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

/**
 * Bundles and runs test/bench/NAME.ts; its one line of output is JSON.
 * @param {string} name
 */
async function program(name) {
  mkdirSync("out", { recursive: true });
  const outfile = path.join("out", `bench-${name}-${process.pid}.cjs`);
  await esbuild.build({ entryPoints: [`test/bench/${name}.ts`], outfile, bundle: true, platform: "node", target: "node20", format: "cjs", packages: "external", logLevel: "warning" });
  console.error(`measuring: ${name} …`);
  const { stdout, status } = spawnSync(process.execPath, [outfile], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  if (status !== 0) throw new Error(`test/bench/${name}.ts failed.`);
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
}

/** @param {string} crate @param {string} name @returns {[string, string[]]} */
function exampleCommand(crate, name) {
  const build = spawnSync("cargo", ["build", "--release", "--locked", "--manifest-path", "native/Cargo.toml", "-p", crate, "--example", name], { stdio: ["ignore", "inherit", "inherit"] });
  if (build.status !== 0) throw new Error(`The example ${name} was not built.`);
  return [path.resolve(process.env.CARGO_TARGET_DIR ?? "native/target", "release", "examples", name), []];
}

/** @param {string} crate @param {string} name @param {string[]} args */
function example(crate, name, args) {
  const [command] = exampleCommand(crate, name);
  console.error(`measuring: ${name} …`);
  const { stdout, status } = spawnSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  if (status !== 0) throw new Error(`The example ${name} failed.`);
  return JSON.parse(stdout);
}

/** @param {any} result @returns {Row[]} */
function structure(result) {
  const row = (/** @type {string} */ what, /** @type {any} */ timing, /** @type {number | null} */ limit) => ({
    what,
    measured: `${timing.milliseconds.toFixed(0)} ms, ${(timing.bytesRead / 1024).toFixed(0)} KiB read`,
    goal: limit === null ? "" : `≤ ${limit} ms`,
    met: limit === null ? null : timing.milliseconds <= limit,
  });
  return [
    row("read the structure of 1,000 tensors", result.thousand, null),
    row("… of a sparse 100 GB file", result.huge, null),
    row("… of 500,000 tensors, as the view gets it", result.many, 2000),
    row("pair two models of the shape of Llama 2 7B, from their headers", result.pairOfLlamas, 500),
    row("… of 500,000 tensors each", result.pairOfMany, 3000),
    row("JSON.parse of one of those headers and no more, as a measure of the machine", result.parsed, null),
  ];
}

/** @param {any} result @returns {Row[]} */
function windows(result) {
  const row = (/** @type {string} */ what, /** @type {number} */ milliseconds, /** @type {number | null} */ limit) => ({
    what,
    measured: `${milliseconds.toFixed(0)} ms`,
    goal: limit === null ? "" : `≤ ${limit} ms`,
    met: limit === null ? null : milliseconds <= limit,
  });
  return [
    row("click → a picture of one pixel in VS Code's own preview, as a measure of the machine", result.picture, null),
    row("click → 1,000 tensors on screen, warm window", result.thousand, 300),
    row("click → 500,000 tensors on screen, warm window", result.many, 2000),
    row("click → two models of the shape of Llama 2 7B paired on screen, warm window", result.pairs, 500),
  ];
}

/** @param {any} report @returns {Row[]} */
function bandwidth(report) {
  const types = Object.keys(report).filter((key) => typeof report[key] === "object");
  return [
    ...types.map((dtype) => ({
      what: `statistics of ${dtype}, of the read bandwidth`,
      measured: `${(report[dtype].ratio * 100).toFixed(0)} % (${report[dtype].statisticsGBps.toFixed(1)} of ${report[dtype].readGBps.toFixed(1)} GB/s)`,
      goal: ["BF16", "F16", "F32"].includes(dtype) ? "≥ 60 %" : "",
      met: ["BF16", "F16", "F32"].includes(dtype) ? report[dtype].ratio >= 0.6 : null,
    })),
    { what: "engine's anonymous memory after it", measured: `${report.anonymousMiB} MiB`, goal: "≤ 128 MiB", met: report.anonymousMiB <= 128 },
  ];
}

/** @param {any} report @returns {Row[]} */
function decoding(report) {
  const types = Object.keys(report).filter((key) => typeof report[key] === "object" && key !== "BF16");
  return types.map((type) => {
    const bounded = ["F8_E4M3", "I8", "Q8_0", "Q4_K"].includes(type);
    return {
      what: `decode ${type} to f32, elements per second against BF16`,
      measured: `${report[type].ratio.toFixed(2)}× (${report[type].gigaElementsPerSecond.toFixed(1)} of ${report.BF16.gigaElementsPerSecond.toFixed(1)} thousand million)`,
      goal: bounded ? "≥ 0.5×" : "",
      met: bounded ? report[type].ratio >= 0.5 : null,
    };
  });
}

function print() {
  const cpu = os.cpus()[0]?.model ?? "unknown";
  const lines = [
    `${cpu}, ${os.cpus().length} cores, ${(os.totalmem() / 2 ** 30).toFixed(0)} GiB; ${os.type()} ${os.release()}; Node ${process.versions.node}`,
    "",
    "| what | measured | goal | |",
    "| --- | --- | --- | --- |",
    ...rows.map((row) => `| ${row.what} | ${row.measured} | ${row.goal} | ${row.met === null ? "" : row.met ? "met" : "**missed**"} |`),
  ];
  console.log(lines.join("\n"));
  if (values.json) writeFileSync(values.json, `${JSON.stringify({ cpu, rows }, null, 2)}\n`);
}
