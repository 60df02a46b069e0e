// What a checkout needs before anything can be built; each lack is one sentence that says what to do.
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { output, run } from "./process.mjs";

const NODE = [20, 19];
const RUST = [1, 85];

/**
 * Checks Node and Rust.
 * @param {{ rust?: boolean, rustTools?: boolean }} [need] `rustTools`: also clippy and rustfmt, added through rustup where they lack.
 * @throws Error in one sentence.
 */
export function checkToolchain({ rust = true, rustTools = false } = {}) {
  if (!atLeast(process.versions.node, NODE)) {
    throw new Error(`This is Node ${process.versions.node}; Weight Loupe needs Node ${NODE.join(".")} or newer: https://nodejs.org, or a version manager such as nvm.`);
  }
  if (!rust) return;
  findRustup();
  const rustc = output("rustc", ["--version"]);
  if (rustc === null || output("cargo", ["--version"]) === null) {
    throw new Error(`Rust was not found; the engine is built with Rust ${RUST.join(".")} or newer: install it through https://rustup.rs and open a new terminal.`);
  }
  if (!atLeast(rustc.split(" ")[1] ?? "", RUST)) {
    throw new Error(`This is ${rustc}; the engine needs Rust ${RUST.join(".")} or newer: run "rustup update stable", or install it through https://rustup.rs.`);
  }
  if (!rustTools) return;
  for (const [tool, component] of /** @type {const} */ ([["clippy-driver", "clippy"], ["rustfmt", "rustfmt"]])) {
    if (output(tool, ["--version"]) !== null) continue;
    if (output("rustup", ["--version"]) === null) throw new Error(`${tool} was not found: install Rust's ${component}, or Rust as a whole through https://rustup.rs.`);
    run("rustup", ["component", "add", component]);
  }
}

/**
 * rustup keeps its toolchains under $HOME. With a home of its own (a build machine's) they are beside the rustup on PATH.
 */
function findRustup() {
  if (process.env.RUSTUP_HOME || output("rustc", ["--version"]) !== null) return;
  for (const folder of (process.env.PATH ?? "").split(path.delimiter)) {
    const home = path.join(folder, "..", "..", ".rustup");
    if (existsSync(path.join(folder, process.platform === "win32" ? "rustup.exe" : "rustup")) && existsSync(home)) {
      process.env.RUSTUP_HOME = path.resolve(home);
      return;
    }
  }
}

/**
 * Runs `npm ci` when node_modules is not what package-lock.json says.
 * @param {string} root
 * @param {(line: string) => void} say
 */
export function installDependencies(root, say) {
  const why = staleness(root);
  if (why === null) return;
  say(`Installing npm packages (${why}) …`);
  run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: root });
}

/**
 * @param {string} root
 * @returns {string | null} Why node_modules is stale, or null when it is not.
 */
function staleness(root) {
  const installed = path.join(root, "node_modules", ".package-lock.json");
  if (!existsSync(installed)) return "node_modules is missing";
  const wanted = packages(path.join(root, "package-lock.json"));
  const have = packages(installed);
  for (const [place, entry] of Object.entries(wanted)) {
    // Optional packages are installed on some platforms only.
    if (place === "" || entry.optional || entry.devOptional || entry.peer) continue;
    if (have[place]?.version !== entry.version) return `${place.replace(/^.*node_modules\//, "")} is not at ${entry.version}`;
  }
  return null;
}

/**
 * @param {string} file
 * @returns {Record<string, { version?: string, optional?: boolean, devOptional?: boolean, peer?: boolean }>}
 */
function packages(file) {
  return JSON.parse(readFileSync(file, "utf8")).packages ?? {};
}

/**
 * @param {string} version
 * @param {readonly number[]} least
 */
function atLeast(version, least) {
  const [major = 0, minor = 0] = version.split(".").map((part) => Number.parseInt(part, 10));
  return major > (least[0] ?? 0) || (major === least[0] && minor >= (least[1] ?? 0));
}
