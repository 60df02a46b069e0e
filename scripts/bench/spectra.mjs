// Singular spectra beside Python's, alternated in one run so that a noisy machine hits both.
import { closeSync, openSync, writeSync } from "node:fs";
import path from "node:path";
import { LineProcess } from "./peers.mjs";

/**
 * @typedef {{ name: string, what: "exact" | "fast" | "top" | "loop" | "assign", rows: number, columns: number, count?: number, k?: number, rounds: number,
 *   peer: string, goal: number }} Case
 */

/** @type {Case[]} */
const CASES = [
  { name: "exact 512 × 512", what: "exact", rows: 512, columns: 512, rounds: 9, peer: "numpy f64", goal: 1.5 },
  { name: "exact 1024 × 1024", what: "exact", rows: 1024, columns: 1024, rounds: 7, peer: "numpy f64", goal: 1.5 },
  { name: "exact 2048 × 2048", what: "exact", rows: 2048, columns: 2048, rounds: 3, peer: "numpy f64", goal: 2.3 },
  { name: "exact 4096 × 4096", what: "exact", rows: 4096, columns: 4096, rounds: 1, peer: "numpy f64", goal: 3 },
  { name: "exact 4096 × 11008", what: "exact", rows: 4096, columns: 11008, rounds: 1, peer: "numpy f64", goal: 3 },
  { name: "64 matrices of 512 × 512", what: "loop", rows: 512, columns: 512, count: 64, rounds: 3, peer: "numpy f64", goal: 3 },
  { name: "fast (f32) 1024 × 1024", what: "fast", rows: 1024, columns: 1024, rounds: 7, peer: "scipy f32", goal: 1.4 },
  { name: "fast (f32) 2048 × 2048", what: "fast", rows: 2048, columns: 2048, rounds: 3, peer: "scipy f32", goal: 1.4 },
  { name: "fast (f32) 4096 × 4096", what: "fast", rows: 4096, columns: 4096, rounds: 1, peer: "scipy f32", goal: 1.4 },
  { name: "linear assignment 1024 × 1024", what: "assign", rows: 1024, columns: 1024, rounds: 7, peer: "scipy", goal: 1 },
  { name: "linear assignment 4096 × 4096", what: "assign", rows: 4096, columns: 4096, rounds: 1, peer: "scipy", goal: 1 },
];

/**
 * @param {{ scratch: string, quick: boolean, ours: [string, string[]] }} options
 * @returns {Promise<{ what: string, measured: string, goal: string, met: boolean | null }[]>}
 */
export async function benchSpectra({ scratch, quick, ours }) {
  const threads = "2";
  const mine = new LineProcess(ours[0], [...ours[1], threads]);
  const python = new LineProcess(process.env.PYTHON ?? "python3", [path.join("scripts", "bench", "peers.py")], { OPENBLAS_NUM_THREADS: threads, MKL_NUM_THREADS: threads, OMP_NUM_THREADS: threads });
  const rows = [];
  try {
    const versions = (await python.next()) ?? {};
    const known = Object.entries(versions).filter(([, version]) => version);
    rows.push({ what: "Python peers", measured: known.length > 0 ? known.map(([name, version]) => `${name} ${version}`).join(", ") : "none can be imported", goal: "", met: null });
    const file = path.join(scratch, "matrix.f64");
    for (const test of CASES.filter(({ rows }) => !quick || rows <= 1024)) {
      console.error(`measuring: ${test.name} …`);
      writeNormal(file, (test.count ?? 1) * test.rows * test.columns);
      const { own, peers } = await alternate(mine, python, test, file);
      const others = [...peers].map(([name, seconds]) => `${(seconds / own).toFixed(2)}× ${name}`).join(", ");
      const against = peers.get(test.peer);
      rows.push({
        what: test.name,
        measured: `${own.toFixed(3)} s${others ? `: ${others}` : ""}`,
        goal: `≥ ${test.goal}× ${test.peer}`,
        met: against === undefined ? null : against / own >= test.goal,
      });
    }
    if (!quick) rows.push(await top(mine, python, file));
  } finally {
    mine.stop();
    python.stop();
  }
  return rows;
}

/**
 * @param {LineProcess} mine @param {LineProcess} python @param {Case} test @param {string} file
 */
async function alternate(mine, python, test, file) {
  /** @type {number[]} */
  const own = [];
  /** @type {Map<string, number[]>} */
  const peers = new Map();
  // The first small runs warm caches and thread pools on both sides.
  for (let round = test.rounds > 1 ? -1 : 0; round < test.rounds; round++) {
    const request = { file, rows: test.rows, columns: test.columns, what: test.what, count: test.count ?? 1 };
    const mineAnswer = await mine.ask(request);
    const answer = (await python.ask(request)) ?? {};
    if (round < 0) continue;
    own.push(mineAnswer.seconds);
    for (const [name, seconds] of Object.entries(answer)) {
      if (typeof seconds === "number") peers.set(name, [...(peers.get(name) ?? []), seconds]);
    }
  }
  return { own: median(own), peers: new Map([...peers].map(([name, seconds]) => [name, median(seconds)])) };
}

/**
 * Top 16 of a heavy-tailed 4096², against our own full exact spectrum and SciPy's ARPACK.
 * @param {LineProcess} mine @param {LineProcess} python @param {string} file
 */
async function top(mine, python, file) {
  console.error("measuring: top 16 …");
  const size = 4096;
  writeSpiked(file, size);
  const request = { file, rows: size, columns: size, count: 1, k: 16 };
  /** @type {any[][]} */
  const runs = [[], []];
  for (let round = 0; round < 3; round++) {
    for (const [i, what] of ["exact", "top"].entries()) runs[i]?.push(await mine.ask({ ...request, what }));
  }
  const [full, one] = runs.map((list) => list.sort((a, b) => a.seconds - b.seconds)[1]);
  const answer = (await python.ask({ ...request, what: "top" })) ?? {};
  const worst = Math.max(...one.values.map((/** @type {number} */ value, /** @type {number} */ i) => Math.abs(value / full.values[i] - 1)));
  const svds = answer["scipy svds"];
  return {
    what: "top 16 of a heavy-tailed 4096²",
    measured: `${one.seconds.toFixed(3)} s, error ${worst.toExponential(1)}: ${(full.seconds / one.seconds).toFixed(1)}× our exact${svds ? `, ${(svds / one.seconds).toFixed(1)}× scipy svds` : ""}`,
    goal: "≥ 15× our exact, ≤ 1e-5",
    met: full.seconds / one.seconds >= 15 && worst <= 1e-5,
  };
}

/** @param {number[]} values */
function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** A stream of standard normal numbers from a seed (xorshift32, Box–Muller). */
function* normal(seed = 2463534242) {
  let state = seed >>> 0;
  const uniform = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) + 0.5) / 2 ** 32;
  };
  for (;;) {
    const radius = Math.sqrt(-2 * Math.log(uniform()));
    const angle = 2 * Math.PI * uniform();
    yield radius * Math.cos(angle);
    yield radius * Math.sin(angle);
  }
}

/** @param {string} file @param {number} count */
function writeNormal(file, count) {
  const numbers = normal();
  write(file, count, () => numbers.next().value ?? 0);
}

/**
 * Normal noise plus 64 rank-one spikes whose size falls as 1/i: a heavy tail over a bulk, as trained layers have.
 * @param {string} file @param {number} size
 */
function writeSpiked(file, size) {
  const numbers = normal(88172645);
  const next = () => numbers.next().value ?? 0;
  const spikes = 64;
  const left = Float64Array.from({ length: size * spikes }, next);
  const right = Float64Array.from({ length: size * spikes }, next);
  const weights = Float64Array.from({ length: spikes }, (_, i) => 4 / (i + 1));
  let index = 0;
  write(file, size * size, () => {
    const row = Math.floor(index / size);
    const column = index % size;
    index++;
    let sum = next();
    for (let i = 0; i < spikes; i++) sum += (weights[i] ?? 0) * (left[row * spikes + i] ?? 0) * (right[column * spikes + i] ?? 0);
    return sum;
  });
}

/** @param {string} file @param {number} count @param {() => number} next */
function write(file, count, next) {
  const handle = openSync(file, "w");
  try {
    const chunk = new Float64Array(1 << 18);
    for (let done = 0; done < count; done += chunk.length) {
      const length = Math.min(chunk.length, count - done);
      for (let i = 0; i < length; i++) chunk[i] = next();
      writeSync(handle, new Uint8Array(chunk.buffer, 0, length * 8));
    }
  } finally {
    closeSync(handle);
  }
}
