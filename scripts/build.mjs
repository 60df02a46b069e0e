// Builds everything: `node scripts/build.mjs [--no-engine] [--tests] [--watch]`.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const flags = new Set(process.argv.slice(2));
const watch = flags.has("--watch");
process.chdir(root);

const common = { bundle: true, sourcemap: true, logLevel: "warning", minify: !watch && !flags.has("--tests"), legalComments: "linked" };
const node = { ...common, platform: "node", target: "node20", format: "cjs", external: ["vscode"] };

const builds = [
  { ...node, entryPoints: { extension: "src/workbench/extension.ts" }, outdir: "dist" },
  { ...node, entryPoints: { cli: "src/cli/main.ts" }, outdir: "dist", banner: { js: "#!/usr/bin/env node" } },
  {
    ...common,
    platform: "browser",
    target: "es2022",
    format: "iife",
    entryPoints: { inspect: "webview/inspect/main.tsx" },
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
  const tests = [];
  const walk = (dir) => {
    for (const entry of readdirSync(dir, { withFileTypes: true })) {
      const full = path.join(dir, entry.name);
      if (entry.isDirectory()) {
        if (entry.name !== "fixtures" && entry.name !== "results") walk(full);
      } else if (/\.(test|main)\.ts$/.test(entry.name)) tests.push(full);
    }
  };
  walk("test");
  rmSync("out", { recursive: true, force: true });
  builds.push({ ...node, minify: false, entryPoints: tests, outbase: ".", outdir: "out", packages: "external" });
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
