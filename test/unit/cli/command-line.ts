/** Runs the built command line as a user does: a process of its own. */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { join } from "node:path";
import { root } from "../../files";

export interface Run {
  status: number | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Called when the process has started. */
  started?: (child: ChildProcessWithoutNullStreams) => void;
}

/** Runs `weight-loupe` with `args`, by default at the repository's root. */
export function weightLoupe(args: readonly string[], { cwd = root, env, started }: RunOptions = {}): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(root, "dist", "cli.js"), ...args], { cwd, env: { ...process.env, ...env }, stdio: "pipe" });
    const run: Run = { status: null, stdout: "", stderr: "" };
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => (run.stdout += chunk));
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (run.stderr += chunk));
    child.once("error", reject);
    child.once("close", (status) => resolve({ ...run, status }));
    child.stdin.end();
    started?.(child);
  });
}

/** The JSON document of a run that succeeded. */
export async function json<T>(args: readonly string[], options?: RunOptions): Promise<T> {
  const { status, stdout, stderr } = await weightLoupe([...args, "--json"], options);
  if (status !== 0) throw new Error(`exit status ${status}: ${stderr}`);
  return JSON.parse(stdout) as T;
}
