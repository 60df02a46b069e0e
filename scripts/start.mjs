// `npm start [-- FILE…]`: installs what is missing, builds, and opens VS Code on examples/ with the extension loaded.
// The builtin modules only at the top: this runs before anything is installed.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { cacheFolder } from "./host/cache.mjs";
import { packOpener, writeOpener } from "./host/opener.mjs";
import { output, run } from "./host/process.mjs";
import { checkToolchain, installDependencies } from "./host/toolchain.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
// npm runs scripts in the package's folder; files are meant from where the user stands.
const from = process.env.INIT_CWD ?? process.cwd();
const files = process.argv.slice(2).map((file) => path.resolve(from, file));
/** @param {string} line */
const say = (line) => console.log(line);

try {
  await start();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

async function start() {
  for (const file of files) {
    if (!existsSync(file)) throw new Error(`${file} does not exist.`);
  }
  checkToolchain();
  installDependencies(root, say);
  say("Building the engine and the extension …");
  run(process.execPath, [path.join("scripts", "build.mjs")], { cwd: root, shell: false });

  const folder = path.join(root, "examples");
  if (output("code", ["--version"]) !== null) {
    say(`Opening desktop VS Code on ${folder}.`);
    const development = [root];
    if (files.length > 0) {
      const opener = path.join(cacheFolder("start"), "opener");
      writeOpener(opener, files);
      development.push(opener);
    }
    run("code", ["--new-window", ...development.map((source) => `--extensionDevelopmentPath=${source}`), folder]);
    return;
  }
  await serveAndOpen(folder);
}

/** @param {string} folder */
async function serveAndOpen(folder) {
  const { installExtension, installServer, serve, windowUrl } = await import("./host/server.mjs");
  say("There is no desktop VS Code on PATH (the command `code`): serving one to the browser.");
  const dataFolder = cacheFolder("start");
  const installed = installServer(say);
  if (files.length > 0) installExtension(installed, dataFolder, await packOpener(dataFolder, files));
  const server = await serve(installed, { dataFolder });
  const url = windowUrl(server, { folder, extension: root });
  say(`\nVS Code with Weight Loupe: ${url}\n\nCtrl-C ends it.`);
  openBrowser(url);
  await new Promise(() => undefined);
}

/**
 * Where there is a desktop; otherwise the printed address has to do.
 * @param {string} url
 */
function openBrowser(url) {
  if (process.env.CI || process.env.WEIGHT_LOUPE_NO_BROWSER) return;
  if (process.platform === "darwin") spawnSync("open", [url]);
  else if (process.platform === "win32") spawnSync("cmd", ["/c", "start", "", url.replaceAll("&", "^&")]);
  else if (process.env.DISPLAY || process.env.WAYLAND_DISPLAY) spawnSync("xdg-open", [url], { stdio: "ignore" });
}
