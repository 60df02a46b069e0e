// Opens a file in a real VS Code window and takes a picture of it:
//   node scripts/look.mjs FILE [--theme dark|light|hc-dark|hc-light] [--out shot.png] [--width 1440] [--height 900]
//                              [--tab Tensors] [--row NAME] [--keys "g t"] [--wait MILLISECONDS] [--console] [--no-sidebar]
// or two of them (files, or folders that hold a model) compared, over the whole window:
//   node scripts/look.mjs --compare A B [--theme …] …
// It shows what is in dist/: build first (node scripts/build.mjs --no-engine). The steps run in the order tab, row, keys, wait.
import { spawnSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const outfile = path.join(root, "out", `look-${process.pid}.cjs`);
await esbuild.build({
  absWorkingDir: root, entryPoints: ["test/journey/look.ts"], outfile,
  bundle: true, platform: "node", target: "node20", format: "cjs", packages: "external", logLevel: "warning",
});
const { status } = spawnSync(process.execPath, ["--enable-source-maps", outfile, ...process.argv.slice(2)], {
  stdio: "inherit",
  cwd: root,
  env: { ...process.env, CALLED_FROM: process.cwd() },
});
process.exitCode = status ?? 1;
