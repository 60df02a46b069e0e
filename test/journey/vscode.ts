/** The two kinds of VS Code that journeys run in, behind one interface. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { downloadAndUnzipVSCode, resolveCliArgsFromVSCodeExecutablePath } from "@vscode/test-electron";
import { _electron, chromium, type Page } from "playwright-core";
import { chooseHost } from "../../scripts/host/choose.mjs";
import { ensureChromium } from "../../scripts/host/chromium.mjs";
import { installExtension, installServer, serve, windowUrl } from "../../scripts/host/server.mjs";
import { writeSettings } from "../../scripts/host/settings.mjs";

export interface HostOptions {
  /** Folder of the extension under test (default: this checkout); null loads none from source. */
  extension?: string | null;
  /** A packaged extension to install first. */
  vsix?: string;
  /** False leaves Workspace Trust on: folders open in Restricted Mode. */
  trustAll?: boolean;
  /** User settings. */
  settings?: Record<string, unknown>;
  say?: (line: string) => void;
}

export interface VsCode {
  openWindow(folder: string, size: { width: number; height: number }): Promise<{ page: Page; close: () => Promise<void> }>;
  stop(): Promise<void>;
}

export async function startVsCode(options: HostOptions): Promise<VsCode> {
  const host = await chooseHost(options.say ?? (() => undefined));
  const dataFolder = mkdtempSync(path.join(os.tmpdir(), "weight-loupe-host-"));
  const settings = { extension: path.resolve("."), trustAll: true, say: console.log, ...options, dataFolder };
  try {
    if (host.kind === "server") return await startServer(settings);
    return startDesktop(settings, host.executable ?? (await downloadAndUnzipVSCode(host.version)));
  } catch (error) {
    rmSync(dataFolder, { recursive: true, force: true });
    throw error;
  }
}

type Settings = Required<Pick<HostOptions, "extension" | "trustAll" | "say">> & HostOptions & { dataFolder: string };

async function startServer({ extension, vsix, trustAll, settings, say, dataFolder }: Settings): Promise<VsCode> {
  const installed = installServer(say);
  const found = await ensureChromium(say);
  if (vsix !== undefined) installExtension(installed, dataFolder, vsix);
  const server = await serve(installed, { dataFolder, trustAll, settings: settings ?? {} });
  const browser = await chromium.launch({ executablePath: found.path, args: [...found.args, "--disable-dev-shm-usage", "--force-color-profile=srgb"] });
  return {
    async openWindow(folder, viewport) {
      const context = await browser.newContext({ viewport, permissions: ["clipboard-read", "clipboard-write"] });
      const page = await context.newPage();
      // The smoke-test driver calls these; the workbench waits for them.
      await page.exposeFunction("codeAutomationLog", () => undefined);
      await page.exposeFunction("codeAutomationExit", () => undefined);
      await page.goto(windowUrl(server, { folder, ...(extension === null ? {} : { extension }) }));
      return { page, close: () => context.close() };
    },
    async stop() {
      await browser.close();
      await server.stop();
      rmSync(dataFolder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function startDesktop({ extension, vsix, trustAll, settings, dataFolder }: Settings, executable: string): VsCode {
  const userData = path.join(dataFolder, "data");
  const places = [`--user-data-dir=${userData}`, `--extensions-dir=${path.join(dataFolder, "extensions")}`];
  writeSettings(path.join(userData, "User"), { ...settings, "window.dialogStyle": "custom", "files.simpleDialog.enable": true });
  if (vsix !== undefined) {
    const [cli = executable] = resolveCliArgsFromVSCodeExecutablePath(executable);
    const { status, stderr } = spawnSync(cli, [...places, "--install-extension", vsix], { encoding: "utf8", shell: process.platform === "win32" });
    if (status !== 0) throw new Error(`Installing ${vsix} failed: ${stderr}`);
  }
  return {
    async openWindow(folder, { width, height }) {
      const application = await _electron.launch({
        executablePath: executable,
        args: [
          folder,
          ...places,
          ...(extension === null ? [] : [`--extensionDevelopmentPath=${extension}`]),
          ...(trustAll ? ["--disable-workspace-trust"] : []),
          ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
          "--skip-welcome",
          "--skip-release-notes",
          "--disable-updates",
          "--disable-telemetry",
          "--disable-gpu",
        ],
      });
      const page = await application.firstWindow();
      await page.setViewportSize({ width, height });
      return { page, close: () => application.close() };
    },
    stop() {
      rmSync(dataFolder, { recursive: true, force: true, maxRetries: 5 });
      return Promise.resolve();
    },
  };
}
