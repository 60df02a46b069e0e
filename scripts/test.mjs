// `npm test [-- SUITE… ] [--grep TEXT]`: installs what is missing, builds, and runs every suite; the last line is `N passed, N failed`.
// Suites: build lint typecheck rust unit workbench journeys. The builtin modules only at the top: this runs before anything is installed.
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { installDependencies, checkToolchain } from "./host/toolchain.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
process.chdir(root);
const { values, positionals } = parseArgs({ allowPositionals: true, options: { grep: { type: "string", short: "g" } } });

/** @param {string} line */
const say = (line) => console.log(line);

try {
  checkToolchain({ rustTools: true });
  installDependencies(root, say);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  console.log("0 passed, 1 failed");
  process.exit(1);
}

const { suites } = await import("./test/suites.mjs");
const unknown = positionals.filter((name) => !suites.some((suite) => suite.name === name));
if (unknown.length > 0) {
  console.error(`There is no suite ${unknown.join(", ")}. Suites: ${suites.map((suite) => suite.name).join(" ")}`);
  process.exit(2);
}

let passed = 0;
let failed = 0;
/** @type {string[]} */
const summary = [];
for (const suite of suites) {
  // What is built is what is tested: a selection of suites builds too.
  if (positionals.length > 0 && suite.name !== "build" && !positionals.includes(suite.name)) continue;
  const begun = performance.now();
  say(`\n── ${suite.name}: ${suite.what} ──`);
  /** @type {{ passed: number, failed: number }} */
  let outcome;
  try {
    outcome = await suite.run({ grep: values.grep, say });
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    outcome = { passed: 0, failed: 1 };
  }
  passed += outcome.passed;
  failed += outcome.failed;
  const seconds = ((performance.now() - begun) / 1000).toFixed(0);
  summary.push(`${suite.name.padEnd(10)} ${String(outcome.passed).padStart(5)} passed ${String(outcome.failed).padStart(4)} failed ${seconds.padStart(5)} s`);
  say(summary.at(-1) ?? "");
  if (suite.name === "build" && outcome.failed > 0) break;
}
say(`\n${summary.join("\n")}\n`);
say(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
