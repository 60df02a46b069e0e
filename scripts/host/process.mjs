// Child processes of the scripts: run one to its end, or keep one and be sure that it goes when we go.
import { spawn, spawnSync } from "node:child_process";

/**
 * Runs a command to its end, its output shown. On Windows npm and npx are scripts, which need a shell.
 * @param {string} command
 * @param {string[]} args
 * @param {import("node:child_process").SpawnSyncOptions} [options]
 * @throws Error naming the command and how it ended.
 */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { stdio: "inherit", shell: process.platform === "win32", ...options });
  if (result.error) throw new Error(`${command} could not be started: ${result.error.message}`);
  if (result.status !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${result.signal ?? `code ${result.status}`}.`);
}

/**
 * What a command prints, or null when it cannot be run or fails.
 * @param {string} command
 * @param {string[]} args
 */
export function output(command, args) {
  const result = spawnSync(command, args, { encoding: "utf8", timeout: 20_000, shell: process.platform === "win32" });
  return result.status === 0 ? result.stdout.trim() : null;
}

/** @type {Set<import("node:child_process").ChildProcess>} */
const kept = new Set();
let watching = false;

/**
 * Starts a process that ends with this one: also on Ctrl-C, on SIGTERM and on an uncaught error.
 * @param {string} command
 * @param {string[]} args
 * @param {import("node:child_process").SpawnOptions} options
 */
export function keep(command, args, options) {
  // A group of its own, so that the whole tree below it can be ended together.
  const child = spawn(command, args, { detached: process.platform !== "win32", ...options });
  kept.add(child);
  child.once("exit", () => kept.delete(child));
  if (!watching) {
    watching = true;
    process.once("exit", () => kept.forEach(end));
    for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
      process.once(signal, () => {
        kept.forEach(end);
        process.exit(signal === "SIGINT" ? 130 : 143);
      });
    }
  }
  return child;
}

/**
 * Ends a process started by `keep`, and what it started.
 * @param {import("node:child_process").ChildProcess} child
 */
export function end(child) {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    if (process.platform === "win32") spawnSync("taskkill", ["/pid", String(child.pid), "/T", "/F"]);
    else process.kill(-child.pid, "SIGTERM");
  } catch {
    // It ended between the check and the signal.
  }
}
