// The difference of two tensors: beside a plain read of the same files, beside Python's, and from the disk.
import { totalmem } from "node:os";
import path from "node:path";
import { LineProcess } from "./peers.mjs";

/** Where the tensors start in the files that the measuring program leaves. */
const OFFSET = 1001;
/**
 * What a peer has to be beaten by.
 * @type {[string, number][]}
 */
const PEERS = [["numpy", 30], ["torch", 4]];

/**
 * @param {{ scratch: string, quick: boolean, larger: boolean, ours: (args: string[]) => any }} options `larger`: the pair from the disk does not fit in memory
 * @returns {Promise<{ what: string, measured: string, goal: string, met: boolean | null }[]>}
 */
export async function benchDifference({ scratch, quick, larger, ours }) {
  const threads = "2";
  const mebibytes = quick ? 128 : 512;
  const cold = larger ? Math.ceil((0.6 * totalmem()) / 2 ** 20) : mebibytes;
  const report = ours([scratch, String(mebibytes), threads, String(cold)]);
  const of = (/** @type {string} */ key) => `${(report[key].ratio * 100).toFixed(0)} % (${report[key].differenceGBps.toFixed(1)} of ${report[key].readGBps.toFixed(1)} GB/s)`;
  /** @type {{ what: string, measured: string, goal: string, met: boolean | null }[]} */
  const rows = ["BF16", "F16", "F32"].map((key) => ({ what: `difference of a pair of ${key}, of the read bandwidth`, measured: of(key), goal: "≥ 60 %", met: report[key].ratio >= 0.6 }));
  rows.push({ what: "… of BF16 exactly 512 MiB apart", measured: of("apart"), goal: "≥ 60 %", met: report.apart.ratio >= 0.6 });
  rows.push({ what: "… by rows, columns, magnitudes and blocks too", measured: of("detail"), goal: "", met: null });
  rows.push(...(await peers(scratch, (2 * mebibytes * 2 ** 20) / 1e9 / report.BF16.differenceGBps, (mebibytes * 2 ** 20) / 2, threads)));
  const size = `2 × ${(report.cold.mebibytes / 1024).toFixed(1)} GiB`;
  rows.push({ what: `difference of ${size} ${larger ? "(more than memory) " : ""}from the disk, of its sequential rate`, measured: of("cold"), goal: "≥ 85 %", met: report.cold.ratio >= 0.85 });
  rows.push({ what: "engine's anonymous memory meanwhile, at most", measured: `${report.cold.anonymousMiB} MiB`, goal: "≤ 256 MiB", met: report.cold.anonymousMiB <= 256 });
  return rows;
}

/**
 * @param {string} scratch @param {number} own seconds @param {number} count elements on each side @param {string} threads
 */
async function peers(scratch, own, count, threads) {
  const python = new LineProcess(process.env.PYTHON ?? "python3", [path.join("scripts", "bench", "peers.py")], { OPENBLAS_NUM_THREADS: threads, MKL_NUM_THREADS: threads, OMP_NUM_THREADS: threads });
  try {
    const versions = (await python.next()) ?? {};
    const elements = Math.min(count, 1 << 27);
    /** @type {Record<string, number>} */
    const best = {};
    for (let round = 0; round < 3; round++) {
      const answer = (await python.ask({ what: "difference", file: path.join(scratch, "a.bin"), other: path.join(scratch, "b.bin"), offset: OFFSET, count: elements })) ?? {};
      for (const [name, seconds] of Object.entries(answer)) if (typeof seconds === "number") best[name] = Math.min(best[name] ?? Infinity, seconds);
    }
    const per = own / count;
    return PEERS.map(([name, goal]) => {
      const seconds = best[name];
      const ratio = seconds === undefined ? null : seconds / elements / per;
      return { what: `difference of a pair of BF16 against ${name}`, measured: ratio === null ? "cannot be imported" : `${ratio.toFixed(1)}× ${name} ${versions[name]}`, goal: `≥ ${goal}×`, met: ratio === null ? null : ratio >= goal };
    });
  } finally {
    python.stop();
  }
}
