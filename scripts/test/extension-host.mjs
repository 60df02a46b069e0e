// Runs out/test/workbench inside a real VS Code: desktop through @vscode/test-electron, or the server in a browser.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { runTests } from "@vscode/test-electron";
import { chromium } from "playwright-core";
import { ensureChromium } from "../host/chromium.mjs";
import { chooseHost } from "../host/choose.mjs";
import { installServer, serve, windowUrl } from "../host/server.mjs";

/** The whole suite in one window; a hang ends here. Milliseconds. */
const LIMIT = 10 * 60_000;

/**
 * @param {string | undefined} grep
 * @param {(line: string) => void} say
 * @returns {Promise<{ passed: number, failed: number }>}
 */
export async function runInExtensionHost(grep, say) {
  const root = path.resolve(".");
  const work = mkdtempSync(path.join(os.tmpdir(), "weight-loupe-workbench-"));
  const folder = path.join(work, "workspace");
  const result = path.join(work, "result.json");
  const tests = path.join(root, "out", "test", "workbench", "suite.main.js");
  mkdirSync(folder);
  // A copy: tests change, remove and break files in it.
  cpSync(path.join(root, "examples"), path.join(folder, "examples"), { recursive: true });
  const environment = { WEIGHT_LOUPE_TEST_RESULT: result, ...(grep ? { WEIGHT_LOUPE_TEST_GREP: grep } : {}) };
  try {
    const host = await chooseHost(say);
    if (host.kind === "electron") {
      await runTests({
        extensionDevelopmentPath: root,
        extensionTestsPath: tests,
        launchArgs: [folder, "--disable-extensions", "--disable-workspace-trust", "--user-data-dir", path.join(work, "data")],
        extensionTestsEnv: environment,
        ...(host.executable ? { vscodeExecutablePath: host.executable } : { version: host.version }),
      }).catch((/** @type {unknown} */ error) => console.error(error instanceof Error ? error.message : error));
    } else {
      await runInServer({ root, tests, folder, dataFolder: path.join(work, "data"), environment, say });
    }
    if (existsSync(`${result}.log`)) process.stdout.write(readFileSync(`${result}.log`, "utf8"));
    return existsSync(result) ? JSON.parse(readFileSync(result, "utf8")) : { passed: 0, failed: 1 };
  } finally {
    rmSync(work, { recursive: true, force: true, maxRetries: 5 });
  }
}

/**
 * @param {{ root: string, tests: string, folder: string, dataFolder: string, environment: Record<string, string>, say: (line: string) => void }} what
 */
async function runInServer({ root, tests, folder, dataFolder, environment, say }) {
  Object.assign(process.env, environment);
  const installed = installServer(say);
  const found = await ensureChromium(say);
  say(`VS Code server from ${installed.root}\nChromium: ${found.path} (${found.from})`);
  const server = await serve(installed, { dataFolder });
  const browser = await chromium.launch({ executablePath: found.path, args: [...found.args, "--disable-dev-shm-usage"] });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    const ended = new Promise((resolve, reject) => {
      setTimeout(() => reject(new Error(`The extension host did not finish within ${LIMIT / 60_000} minutes.`)), LIMIT).unref();
      page.exposeFunction("codeAutomationExit", resolve).catch(reject);
    });
    await page.exposeFunction("codeAutomationLog", () => undefined);
    await page.goto(windowUrl(server, { folder, extension: root, tests }));
    await ended;
  } finally {
    await browser.close();
    await server.stop();
  }
}
