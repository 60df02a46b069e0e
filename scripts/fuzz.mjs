// Mutates checkpoints of every format for a while (a minute unless told) and prints the seed:
// `npm run fuzz -- [--seconds N] [--seed S] [--format F]`. Memory is bounded.
import { spawnSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const outfile = path.join(root, "out", "fuzz.js");
await esbuild.build({
  absWorkingDir: root,
  entryPoints: ["test/malformed/fuzz.ts"],
  outfile,
  bundle: true,
  platform: "node",
  target: "node20",
  format: "cjs",
  sourcemap: "inline",
  logLevel: "warning",
});
const run = spawnSync(process.execPath, ["--enable-source-maps", "--max-old-space-size=512", outfile, ...process.argv.slice(2)], { stdio: "inherit" });
process.exitCode = run.status ?? 1;
