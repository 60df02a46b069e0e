// The suites of `npm test`, in the order they run: each answers how many of its checks passed and failed.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { runInExtensionHost } from "./extension-host.mjs";

/**
 * @typedef {{ passed: number, failed: number }} Outcome
 * @typedef {{ grep: string | undefined, say: (line: string) => void }} Context
 * @typedef {{ name: string, what: string, run: (context: Context) => Outcome | Promise<Outcome> }} Suite
 */

const node = process.execPath;
/** @param {string} name @param {string} file */
const bin = (name, file) => path.join("node_modules", name, file);

/** @type {Suite[]} */
export const suites = [
  {
    name: "build",
    what: "the engine, the extension, the command line and the tests",
    run: () => check([node, "scripts/build.mjs", "--tests"]),
  },
  {
    name: "lint",
    what: "eslint, rustfmt and clippy",
    run: () =>
      sum(
        check([node, bin("eslint", "bin/eslint.js"), ".", "--max-warnings", "0"]),
        check(["cargo", "fmt", "--all", "--manifest-path", "native/Cargo.toml", "--check"]),
        check(["cargo", "clippy", "--release", "--locked", "--manifest-path", "native/Cargo.toml", "--workspace", "--all-targets", "--", "-D", "warnings"]),
      ),
  },
  {
    name: "typecheck",
    what: "the compiler, on the host's and the pages' code",
    run: () => sum(check([node, bin("typescript", "bin/tsc"), "-p", "."]), check([node, bin("typescript", "bin/tsc"), "-p", "webview"])),
  },
  { name: "rust", what: "cargo test", run: ({ grep }) => cargoTest(grep) },
  {
    name: "unit",
    what: "units, protocol contract, conformance and malformed files",
    run: ({ grep }) => mocha(["unit", "contract", "conformance", "malformed"].map((name) => `out/test/${name}/**/*.test.js`), 60_000, grep),
  },
  { name: "workbench", what: "inside a real VS Code extension host", run: ({ grep, say }) => runInExtensionHost(grep, say) },
  {
    name: "journeys",
    what: "a user's paths through a real window; pictures in test/results",
    run: ({ grep }) => mocha(["out/test/journey/**/*.test.js"], 180_000, grep),
  },
];

/**
 * One command as one check.
 * @param {string[]} command
 * @returns {Outcome}
 */
function check([command = "", ...args]) {
  const { status, error } = spawnSync(command, args, { stdio: "inherit" });
  if (error) console.error(error.message);
  const good = status === 0;
  console.log(`${good ? "ok" : "FAILED"}: ${path.basename(command)} ${args.join(" ")}`);
  return { passed: good ? 1 : 0, failed: good ? 0 : 1 };
}

/**
 * @param {string[]} files Globs.
 * @param {number} timeout Milliseconds for one test: a hang ends, slowness does not.
 * @param {string | undefined} grep
 * @returns {Outcome}
 */
function mocha(files, timeout, grep) {
  const folder = mkdtempSync(path.join(os.tmpdir(), "weight-loupe-mocha-"));
  const result = path.join(folder, "result.json");
  mkdirSync("test/results", { recursive: true });
  try {
    spawnSync(
      node,
      ["--enable-source-maps", bin("mocha", "bin/mocha.js"), "--no-config", "--exit", "--timeout", String(timeout), "--reporter", "scripts/test/reporter.cjs", ...(grep ? ["--grep", grep] : []), ...files],
      { stdio: "inherit", env: { ...process.env, WEIGHT_LOUPE_TEST_RESULT: result } },
    );
    // Without a result mocha itself ended early.
    return existsSync(result) ? JSON.parse(readFileSync(result, "utf8")) : { passed: 0, failed: 1 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * @param {string | undefined} grep
 * @returns {Outcome}
 */
function cargoTest(grep) {
  const args = ["test", "--release", "--locked", "--no-fail-fast", "--manifest-path", "native/Cargo.toml", "--workspace", ...(grep ? [grep] : [])];
  const { stdout, status } = spawnSync("cargo", args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"], maxBuffer: 1 << 28 });
  process.stdout.write(stdout);
  const outcome = { passed: 0, failed: 0 };
  for (const [, passed, failed] of stdout.matchAll(/^test result: .*? (\d+) passed; (\d+) failed/gm)) {
    outcome.passed += Number(passed);
    outcome.failed += Number(failed);
  }
  // A crate that does not compile, or a test binary that crashed, reports no test.
  if (status !== 0 && outcome.failed === 0) outcome.failed = 1;
  return outcome;
}

/** @param {...Outcome} outcomes */
function sum(...outcomes) {
  return outcomes.reduce((all, one) => ({ passed: all.passed + one.passed, failed: all.failed + one.failed }), { passed: 0, failed: 0 });
}
