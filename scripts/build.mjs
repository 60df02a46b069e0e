// Builds everything: `node scripts/build.mjs [--no-engine] [--tests] [--watch]`.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const flags = new Set(process.argv.slice(2));
const watch = flags.has("--watch");
process.chdir(root);

/** @type {import("esbuild").BuildOptions} */
const common = { bundle: true, sourcemap: true, logLevel: "warning", minify: !watch && !flags.has("--tests"), legalComments: "linked" };
/** @type {import("esbuild").BuildOptions} */
const node = { ...common, platform: "node", target: "node20", format: "cjs", external: ["vscode"] };

/** @type {import("esbuild").BuildOptions[]} */
const builds = [
  { ...node, entryPoints: { extension: "src/workbench/extension.ts" }, outdir: "dist" },
  // A thread of its own for the HDF5 library, an ES module: it finds itself by import.meta.url. Its licence asks to go with it.
  {
    ...node,
    format: "esm",
    entryPoints: { "hdf5-worker": "src/checkpoint/hdf5-worker.ts" },
    outdir: "dist",
    outExtension: { ".js": ".mjs" },
    banner: { js: `/*!\n${readFileSync("node_modules/h5wasm/LICENSE.txt", "utf8").replaceAll("*/", "* /")}\n*/` },
  },
  { ...node, entryPoints: { "recipe-server": "src/language/main.ts" }, outdir: "dist" },
  { ...node, entryPoints: { cli: "src/cli/main.ts" }, outdir: "dist", banner: { js: "#!/usr/bin/env node" } },
  {
    ...common,
    platform: "browser",
    target: "es2022",
    format: "iife",
    entryPoints: { inspect: "webview/inspect/main.tsx", compare: "webview/compare/main.tsx", models: "webview/models/main.tsx", signature: "webview/signature/main.tsx", merge: "webview/merge/main.tsx" },
    outdir: "dist/webview",
    loader: { ".ttf": "file", ".svg": "file" },
    jsx: "automatic",
    jsxImportSource: "preact",
    define: { "process.env.NODE_ENV": '"production"', global: "globalThis" },
  },
  {
    ...common,
    platform: "browser",
    target: "es2022",
    format: "iife",
    entryPoints: { plots: "webview/plots/plotly-bundle.ts" },
    outdir: "dist/webview",
    // Its registry asks for the style sheet of a map library that none of our traces uses.
    loader: { ".css": "empty" },
    define: { global: "globalThis" },
  },
];

if (flags.has("--tests")) {
  rmSync("out", { recursive: true, force: true });
  const entryPoints = readdirSync("test", { recursive: true, encoding: "utf8" })
    .filter((file) => /\.(test|main)\.ts$/.test(file) && !/^(fixtures|results)[\\/]/.test(file))
    .map((file) => path.join("test", file));
  builds.push({ ...node, minify: false, entryPoints, outbase: ".", outdir: "out", packages: "external" });
}

if (watch) {
  const contexts = await Promise.all(builds.map((options) => esbuild.context(options)));
  await Promise.all(contexts.map((context) => context.watch()));
} else {
  await Promise.all(builds.map((options) => esbuild.build(options)));
}

if (!flags.has("--no-engine")) buildEngine();

/** Compiles the engine and puts it where the extension and the command line look for it. */
function buildEngine() {
  const cargo = spawnSync("cargo", ["build", "--release", "--locked", "--manifest-path", "native/Cargo.toml", "-p", "weight-loupe-engine"], { stdio: "inherit" });
  if (cargo.error || cargo.status !== 0) {
    console.error("The engine was not built. It needs Rust 1.85 or newer (https://rustup.rs); structure views work without it.");
    process.exit(1);
  }
  const name = process.platform === "win32" ? "weight-loupe-engine.exe" : "weight-loupe-engine";
  const target = process.env.CARGO_TARGET_DIR ?? path.join("native", "target");
  mkdirSync("dist/engine", { recursive: true });
  // A running engine keeps the old file open: replace it rather than write into it.
  rmSync(path.join("dist/engine", name), { force: true });
  cpSync(path.join(target, "release", name), path.join("dist/engine", name));
}
