// `npm run lint [-- --fix]`: eslint, rustfmt and clippy.
import { spawnSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { checkToolchain } from "./host/toolchain.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const fix = process.argv.includes("--fix");
checkToolchain({ rustTools: true });

/** @type {[string, string[]][]} */
const steps = [
  ["eslint", [process.execPath, path.join("node_modules", "eslint", "bin", "eslint.js"), ".", "--max-warnings", "0", ...(fix ? ["--fix"] : [])]],
  ["rustfmt", ["cargo", "fmt", "--all", "--manifest-path", "native/Cargo.toml", ...(fix ? [] : ["--check"])]],
  ["clippy", ["cargo", "clippy", "--release", "--locked", "--manifest-path", "native/Cargo.toml", "--workspace", "--all-targets", "--", "-D", "warnings"]],
];
for (const [name, [command = "", ...args]] of steps) {
  const { status } = spawnSync(command, args, { stdio: "inherit", cwd: root });
  console.log(`${name}: ${status === 0 ? "clean" : "failed"}`);
  if (status !== 0) process.exitCode = 1;
}
