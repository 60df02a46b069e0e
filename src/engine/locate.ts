/** Where the engine's executable is, and whether it is one. */
import { execFile } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { promisify } from "node:util";
import { EngineError } from "./error";
import { PROTOCOL_VERSION } from "./protocol";

const PROBE_MS = 20_000;

export interface EngineLocation {
  path: string;
  version: string;
}

/** The executable that ships in `dist/engine`. */
export function bundledEngine(dist: string): string {
  return join(dist, "engine", process.platform === "win32" ? "weight-loupe-engine.exe" : "weight-loupe-engine");
}

/**
 * The engine to use: the one at `explicit` when given, else the bundled one; probed with `--version`.
 * @param dist the folder that holds the built extension or command line.
 * @throws EngineError `"missing"` or `"version"` that says the path and what to do.
 */
export async function locateEngine(dist: string, explicit?: string): Promise<EngineLocation> {
  const path = explicit === undefined || explicit === "" ? bundledEngine(dist) : explicit;
  const bundled = path !== explicit;
  if (!isAbsolute(path)) throw new EngineError("missing", `The engine's path must be absolute: ${path}.`, path);
  try {
    await access(path, process.platform === "win32" ? constants.F_OK : constants.X_OK);
  } catch (error) {
    const absent = (error as NodeJS.ErrnoException).code !== "EACCES";
    const reason = absent ? `There is no engine at ${path}` : `The engine at ${path} may not be executed`;
    throw new EngineError("missing", `${reason}: ${bundled ? "this package was built without one; install the package for your platform or set weightLoupe.engine.path" : "check the setting weightLoupe.engine.path"}.`, path);
  }
  const { stdout } = await promisify(execFile)(path, ["--version"], { timeout: PROBE_MS, maxBuffer: 1 << 16 }).catch((error: unknown) => {
    throw new EngineError("missing", `The engine at ${path} does not run here (${firstLine(error)}).`, path);
  });
  const said = /^weight-loupe-engine (\S+) \(protocol (\d+)\)/.exec(stdout);
  if (said === null) throw new EngineError("missing", `${path} is not Weight Loupe's engine: it does not say its version.`, path);
  if (Number(said[2]) !== PROTOCOL_VERSION) throw new EngineError("version", versionMismatch(path, Number(said[2])), path);
  return { path, version: said[1]! };
}

/** The sentence for an engine of another protocol. */
export function versionMismatch(path: string, protocol: number): string {
  return `The engine at ${path} speaks protocol ${protocol} but ${PROTOCOL_VERSION} is needed: use the engine that came with this version.`;
}

function firstLine(error: unknown): string {
  const { killed, code, message } = error as Error & { killed?: boolean; code?: number | string };
  if (killed === true) return "it did not answer in time";
  return typeof code === "string" ? code : message.split("\n").at(-1)!.trim() || message.split("\n")[0]!;
}
