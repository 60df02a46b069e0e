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
 * From the command line: `node scripts/look.mjs FILE --theme dark --out shot.png`, or `--compare A B`.
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
/** What VS Code says of its theme in a page. */
export const BODY_CLASSES: Readonly<Record<Theme, string>> = { dark: "vscode-dark", light: "vscode-light", "hc-dark": "vscode-high-contrast", "hc-light": "vscode-high-contrast-light" };

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
    const write = (theme: Theme | undefined): void => {
      const settings = { ...options.settings, ...(theme ? { "workbench.colorTheme": THEMES[theme] } : {}) };
      if (Object.keys(settings).length === 0) return;
      mkdirSync(path.join(options.folder, ".vscode"), { recursive: true });
      writeFileSync(path.join(options.folder, ".vscode", "settings.json"), JSON.stringify(settings, null, 2));
    };
    write(options.theme);
    const { page, close } = await this.vscode.openWindow(options.folder, { width: options.width ?? 1440, height: options.height ?? 900 });
    const window = new Window(page, close, write);
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
    private readonly writeTheme: (theme: Theme) => void,
  ) {
    page.setDefaultTimeout(30_000);
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
    const tree = this.page.getByRole("tree", { name: /Files Explorer/ });
    let above = -1;
    let item = tree;
    let unfolded = -Infinity;
    // Again where the click was lost in a tree that was still being filled.
    const unfold = async (): Promise<void> => {
      if (performance.now() - unfolded < 3000 || (await item.getAttribute("aria-expanded")) !== "false") return;
      await item.click();
      unfolded = performance.now();
    };
    for (const [depth, part] of file.split("/").entries()) {
      const index = await this.poll(`${file} in the Explorer`, async () => {
        const rows = await tree.getByRole("treeitem").evaluateAll((items: { getAttribute(name: string): string | null }[]) =>
          items.map((row) => ({ index: Number(row.getAttribute("data-index")), level: Number(row.getAttribute("aria-level")), name: row.getAttribute("aria-label") ?? "" })),
        );
        // Names repeat in other folders: the one meant comes before the next row that is not below its parent.
        const below = rows.filter((row) => row.index > above).sort((one, other) => one.index - other.index);
        const end = below.findIndex((row) => row.level <= depth);
        const found = (end < 0 ? below : below.slice(0, end)).find((row) => row.level === depth + 1 && row.name === part)?.index;
        if (found === undefined && depth > 0) await unfold();
        return found;
      });
      item = tree.locator(`[role="treeitem"][data-index="${index}"]`);
      unfolded = -Infinity;
      await unfold();
      above = index;
    }
    return item;
  }

  /** Opens a file with its default editor. */
  async openFile(file: string): Promise<void> {
    const tab = this.page.getByRole("tab", { name: file.split("/").at(-1)! }).first();
    const refused = this.page.getByText("The file is not displayed in the text editor").first();
    const shown = this.page.locator("iframe.webview:visible").or(this.page.locator(".part.editor .view-lines:visible")).first();
    for (let attempt = 1; ; attempt++) {
      await (await this.explorerItem(file)).dblclick();
      // The rows of a tree that is still being filled move away under the pointer; and in a window just opened VS Code does not know
      // the extension's editors yet, and says that it cannot show the file.
      const opened = await tab.waitFor({ timeout: 10_000 }).then(() => true, () => false);
      if (opened) {
        await shown.or(refused).first().waitFor({ timeout: 60_000 });
        if (!(await refused.isVisible())) return;
      }
      if (attempt === 4) throw new Error(`${file} was not opened with its editor.`);
      if (opened) await this.command("View: Close Editor");
      await this.page.waitForTimeout(1000);
    }
  }

  /** Right-clicks a file and chooses a command by its title. @returns as `chooseOn`. */
  async chooseInExplorer(file: string, title: string | RegExp): Promise<number> {
    return this.chooseOn(await this.explorerItem(file), title);
  }

  /**
   * Right-clicks a row of the Explorer and chooses a command by its title; what is selected beside it stays so.
   * @returns when the command was clicked, as `performance.now()` counts.
   */
  async chooseOn(row: Locator, title: string | RegExp): Promise<number> {
    const item = this.page.getByRole("menuitem", { name: title });
    for (let attempt = 1; ; attempt++) {
      await row.click({ button: "right" });
      try {
        await item.waitFor({ timeout: 4000 });
        if (!(await item.isEnabled())) throw new Error(`The menu entry ${String(title)} is disabled.`);
        break;
      } catch (error) {
        // In a window just opened the extension's menu entries, or whether the folder is trusted, may not be known yet.
        if (attempt === 4) throw error;
        // Opened before the extension was there it would go on not knowing its commands.
        await this.page.keyboard.press("Escape");
        await this.page.keyboard.press("Escape");
        await this.page.waitForTimeout(500);
      }
    }
    // The menu ignores a release that follows its opening too closely.
    await item.hover();
    await this.page.waitForTimeout(300);
    const clicked = performance.now();
    await item.click();
    await item.waitFor({ state: "hidden" });
    return clicked;
  }

  /** Right-click → "Weight Loupe: Inspect Checkpoint". */
  async inspectFromExplorer(file: string): Promise<void> {
    await this.chooseInExplorer(file, /Inspect Checkpoint/);
  }

  /** Selects A for comparison, then compares B with it. Both relative to the window's folder. @returns as `chooseOn`. */
  async compareFromExplorer(a: string, b: string): Promise<number> {
    await this.chooseInExplorer(a, /^Weight Loupe: Select for Compare/);
    return this.chooseInExplorer(b, /^Weight Loupe: Compare with Selected/);
  }

  /** Runs a command of the palette by its whole title. */
  async command(title: string): Promise<void> {
    const box = this.page.locator(".quick-input-widget:visible input").first();
    const option = this.page.getByRole("option", { name: title }).first();
    for (let attempt = 1; ; attempt++) {
      try {
        // A page that is just being shown may take the focus, and then quick input closes: begin again.
        await this.page.keyboard.press("ControlOrMeta+Shift+P");
        await box.fill(`>${title}`, { timeout: 3000 });
        await option.waitFor({ timeout: 5000 });
        await box.press("Enter", { timeout: 3000 });
        return;
      } catch (error) {
        if (attempt === 4) throw error;
      }
    }
  }

  /** Saves as `file` in VS Code's own file dialog, once that proposes what is asked for. */
  async saveAs(proposed: RegExp, file: string): Promise<void> {
    const dialog = this.page.locator(".quick-input-widget:visible");
    const box = dialog.locator("input").first();
    await this.poll(`the file dialog to propose ${proposed.source}`, async () => ((await box.isVisible()) && proposed.test(await box.inputValue()) ? true : undefined));
    await this.poll(`the file dialog to take ${file}`, async () => {
      if (!(await box.isVisible())) return true;
      // The dialog lists folders as one types and may write over what was typed meanwhile.
      if ((await box.inputValue()) !== file) await box.fill(file, { timeout: 1000 }).catch(() => undefined);
      else await dialog.getByRole("button", { name: "OK" }).click({ timeout: 1000 }).catch(() => undefined);
      await this.page.waitForTimeout(400);
      return undefined;
    });
  }

  /** The page inside the visible custom editor, or panel, once it has drawn something. */
  async inspector(): Promise<FrameLocator> {
    const view = this.page.frameLocator("iframe.webview.ready:visible").first().frameLocator("#active-frame");
    await view.locator("#root > *").first().waitFor({ timeout: 60_000 });
    return view;
  }

  /** Changes the colour theme, and waits until the page follows. */
  async follow(theme: Theme): Promise<void> {
    this.writeTheme(theme);
    const view = await this.inspector();
    await view.locator(`body.${BODY_CLASSES[theme]}`).waitFor();
    await this.settled();
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
    await this.poll(`the filter to hold "${text}"`, async () => ((await (await this.filterField()).inputValue()) === text ? true : undefined));
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
    await (await this.inspector()).getByText("The analysis is done.").first().waitFor({ timeout: 60_000 });
  }

  /** Asks until there is an answer. */
  async poll<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
    const end = Date.now() + 30_000;
    for (;;) {
      const answer = await ask();
      if (answer !== undefined) return answer;
      if (Date.now() > end) throw new Error(`Waited 30 s in vain for ${what}.`);
      await this.page.waitForTimeout(50);
    }
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
