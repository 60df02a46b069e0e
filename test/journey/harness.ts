/**
 * A real VS Code window to drive as a user would.
 *
 *     const host = await TestHost.start();                       // once: a server and a browser, or desktop VS Code
 *     const window = await host.open({ folder, theme: "dark" }); // a window on a folder, with the extension
 *     await window.openFile("model.safetensors");                // or inspectFromExplorer("model.safetensors")
 *     const view = await window.inspector();                     // the inspector's page, for getByRole / getByLabel
 *     await window.screenshot("overview-dark");                  // test/results/overview-dark.png
 *     await window.close(); await host.stop();
 *
 * From the command line: `node scripts/look.mjs FILE --theme dark --out shot.png`.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { FrameLocator, Locator, Page } from "playwright-core";
import { type HostOptions, startVsCode, type VsCode } from "./vscode";

export const THEMES = {
  dark: "Dark Modern",
  light: "Light Modern",
  "hc-dark": "Default High Contrast",
  "hc-light": "Default High Contrast Light",
} as const;
export type Theme = keyof typeof THEMES;

export const RESULTS = path.resolve("test", "results");

export type { HostOptions } from "./vscode";

export interface WindowOptions {
  /** Absolute. */
  folder: string;
  theme?: Theme;
  width?: number;
  height?: number;
  /** Workspace settings. */
  settings?: Record<string, unknown>;
}

/** A VS Code whose windows can be driven: the server in a browser, or the desktop one. */
export class TestHost {
  private constructor(private readonly vscode: VsCode) {}

  static async start(options: HostOptions = {}): Promise<TestHost> {
    return new TestHost(await startVsCode(options));
  }

  async open(options: WindowOptions): Promise<Window> {
    const settings = { ...options.settings, ...(options.theme ? { "workbench.colorTheme": THEMES[options.theme] } : {}) };
    if (Object.keys(settings).length > 0) {
      mkdirSync(path.join(options.folder, ".vscode"), { recursive: true });
      writeFileSync(path.join(options.folder, ".vscode", "settings.json"), JSON.stringify(settings, null, 2));
    }
    const { page, close } = await this.vscode.openWindow(options.folder, { width: options.width ?? 1440, height: options.height ?? 900 });
    const window = new Window(page, close);
    await window.ready();
    return window;
  }

  async stop(): Promise<void> {
    await this.vscode.stop();
  }
}

/** One workbench window. */
export class Window {
  /** Errors that pages printed, content-security refusals among them. */
  readonly consoleErrors: string[] = [];

  constructor(
    readonly page: Page,
    readonly close: () => Promise<void>,
  ) {
    page.on("console", (message) => {
      if (message.type() === "error") this.consoleErrors.push(message.text());
    });
    page.on("pageerror", (error) => this.consoleErrors.push(String(error)));
  }

  /** Waits until the workbench shows the folder. */
  async ready(): Promise<void> {
    await this.page.getByRole("tree", { name: /Files Explorer/ }).waitFor({ timeout: 90_000 });
    await this.page.locator(".explorer-folders-view .monaco-list-row").first().waitFor();
  }

  /** The Explorer's row of a file or folder; folders on the way are unfolded. `file` is relative to the window's folder. */
  async explorerItem(file: string): Promise<Locator> {
    const parts = file.split("/");
    const tree = this.page.getByRole("tree", { name: /Files Explorer/ });
    for (const [i, part] of parts.entries()) {
      const item = tree.getByRole("treeitem", { name: part, exact: true }).first();
      await item.waitFor();
      if (i === parts.length - 1) return item;
      if ((await item.getAttribute("aria-expanded")) === "false") await item.click();
    }
    throw new Error(`${file} names nothing.`);
  }

  /** Opens a file with its default editor. */
  async openFile(file: string): Promise<void> {
    await (await this.explorerItem(file)).dblclick();
  }

  /** Right-clicks a file and chooses a command by its title. */
  async chooseInExplorer(file: string, title: string | RegExp): Promise<void> {
    await (await this.explorerItem(file)).click({ button: "right" });
    const item = this.page.getByRole("menuitem", { name: title });
    await item.waitFor();
    // The menu ignores a release that follows its opening too closely.
    await item.hover();
    await item.click();
  }

  /** Right-click → "Weight Loupe: Inspect Checkpoint". */
  async inspectFromExplorer(file: string): Promise<void> {
    await this.chooseInExplorer(file, /Inspect Checkpoint/);
  }

  /** Runs a command of the palette by its whole title. */
  async command(title: string): Promise<void> {
    const box = await this.quickInput("ControlOrMeta+Shift+P", `>${title}`);
    await box.page().getByRole("option", { name: title }).first().waitFor();
    await box.press("Enter");
  }

  /** Opens quick input by a key and types into it; returns the input. */
  async quickInput(key: string, text: string): Promise<Locator> {
    // From a webview the key reaches the workbench as well, but only once its page listens.
    const box = this.page.locator(".quick-input-widget:visible input").first();
    for (let attempt = 0; attempt < 5; attempt++) {
      await this.page.keyboard.press(key);
      try {
        await box.waitFor({ timeout: 3000 });
        break;
      } catch {
        await this.page.locator(".titlebar, .part.statusbar").first().click();
      }
    }
    await box.fill(text);
    return box;
  }

  /** The page inside the visible custom editor, once it has drawn something. */
  async inspector(): Promise<FrameLocator> {
    const view = this.page.frameLocator("iframe.webview.ready:visible").first().frameLocator("#active-frame");
    await view.locator("#root > *").first().waitFor({ timeout: 60_000 });
    return view;
  }

  /** Waits for an entry of the status bar by part of its accessible name. */
  async statusItem(name: string): Promise<Locator> {
    const item = this.page.locator(".part.statusbar").getByRole("button", { name: new RegExp(name) });
    await item.first().waitFor();
    return item.first();
  }

  /** The inspector's filter field. */
  async filterField(): Promise<Locator> {
    return (await this.inspector()).getByRole("textbox", { name: /^Filter tensors/ });
  }

  /** Types into the filter, reached by its command as a user of the keyboard does. */
  async filter(text: string): Promise<void> {
    const field = await this.filterField();
    await this.command("Weight Loupe: Filter Tensors");
    await (await this.inspector()).locator("input:focus").waitFor();
    await field.fill(text);
    // The page keeps its state a moment after the last change.
    await this.page.waitForTimeout(600);
  }

  /** Waits until the filter holds `text` and the tree has been cut down to it. */
  async expectFilter(text: string): Promise<void> {
    const field = await this.filterField();
    await field.waitFor();
    const end = Date.now() + 30_000;
    while ((await field.inputValue()) !== text) {
      if (Date.now() > end) throw new Error(`The filter holds "${await field.inputValue()}", not "${text}".`);
      await this.page.waitForTimeout(50);
    }
    await (await this.inspector()).getByText(/^\d[\d,]* of \d/).first().waitFor();
  }

  /** Selects a tensor in the tree by its full name, through the filter. */
  async selectTensor(name: string): Promise<void> {
    const view = await this.inspector();
    await this.filter(`/^${name.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&")}$/`);
    await view.getByText(/^1 of \d/).first().waitFor();
    await view.getByRole("treegrid").getByRole("row").last().click();
    await view.getByRole("article", { name: `Tensor ${name}` }).waitFor();
  }

  /** Analyses the whole model and waits until that is done. */
  async analyse(): Promise<void> {
    await this.command("Weight Loupe: Analyse Whole Model");
    await (await this.inspector()).getByText(/^Analysed \d/).first().waitFor({ timeout: 120_000 });
  }

  /** Time for pictures and plots to be drawn, before one is taken of them. */
  async settled(): Promise<void> {
    await this.page.waitForTimeout(1500);
  }

  /** What the content security policy refused; nothing should be. */
  refusals(): string[] {
    return this.consoleErrors.filter((line) => /Content Security Policy|Refused to (load|execute|apply|connect)/i.test(line) && !/workbench|extensionHost/.test(line));
  }

  /** The list of notifications; VS Code under test shows no toasts. */
  async notificationCenter(): Promise<Locator> {
    await this.command("Notifications: Show Notifications");
    const center = this.page.locator(".notifications-center");
    await center.waitFor();
    return center;
  }

  async screenshot(name: string): Promise<string> {
    const file = path.isAbsolute(name) ? name : path.join(RESULTS, `${name}.png`);
    mkdirSync(path.dirname(file), { recursive: true });
    await this.page.screenshot({ path: file });
    return file;
  }

  async reload(): Promise<void> {
    const loaded = this.page.waitForEvent("load");
    await this.command("Developer: Reload Window");
    await loaded;
    await this.ready();
  }
}
