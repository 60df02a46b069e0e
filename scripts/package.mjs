// `npm run package [-- --only platform|universal] [--no-build] [--out FOLDER]`: a VSIX for this platform with the engine inside, and a universal
// one without it, whose header views still work.
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { run } from "./host/process.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
process.chdir(root);
const { values } = parseArgs({
  options: { only: { type: "string" }, out: { type: "string", default: "." }, "no-build": { type: "boolean", default: false } },
});

if (!values["no-build"]) run(process.execPath, ["scripts/build.mjs"], { shell: false });
const { createVSIX } = await import("@vscode/vsce");
/** @type {{ name: string, version: string }} */
const { name, version } = JSON.parse(readFileSync("package.json", "utf8"));
mkdirSync(values.out, { recursive: true });

if (values.only !== "universal") {
  const engine = path.join("dist", "engine", process.platform === "win32" ? "weight-loupe-engine.exe" : "weight-loupe-engine");
  if (!existsSync(engine)) throw new Error(`${engine} is missing: run "npm run build" first.`);
  chmodSync(engine, 0o755);
  await pack(`${process.platform}-${process.arch}`, ".vscodeignore");
}
if (values.only !== "platform") {
  // The last pattern that matches decides, and here all that include come last: take the engine's line out.
  const without = ".vscodeignore.universal";
  const lines = readFileSync(".vscodeignore", "utf8").split("\n");
  writeFileSync(without, lines.filter((line) => line !== "!dist/engine/**").join("\n"));
  try {
    await pack(undefined, without);
  } finally {
    rmSync(without);
  }
}

/**
 * @param {string | undefined} target VS Code's name of a platform; undefined for all.
 * @param {string} ignoreFile
 */
async function pack(target, ignoreFile) {
  const packagePath = path.join(values.out, target ? `${name}-${version}-${target}.vsix` : `${name}-${version}.vsix`);
  await createVSIX({ cwd: root, packagePath, ignoreFile, dependencies: false, ...(target ? { target } : {}) });
  console.log(`${packagePath}  ${(statSync(packagePath).size / 1e6).toFixed(1)} MB`);
}
