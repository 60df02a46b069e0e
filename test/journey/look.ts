/** The program behind `scripts/look.mjs`. */
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { TestHost, THEMES, type Theme } from "./harness";

rmSync(__filename, { force: true });

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    theme: { type: "string", default: "dark" },
    out: { type: "string", default: "shot.png" },
    width: { type: "string", default: "1440" },
    height: { type: "string", default: "900" },
    tab: { type: "string" },
    row: { type: "string" },
    keys: { type: "string" },
    wait: { type: "string", default: "1500" },
    console: { type: "boolean", default: false },
    "no-sidebar": { type: "boolean", default: false },
    compare: { type: "boolean", default: false },
    scroll: { type: "string" },
  },
});

async function main(): Promise<void> {
  if (positionals.length !== (values.compare ? 2 : 1) || !(values.theme in THEMES)) {
    console.error(`usage: node scripts/look.mjs FILE | --compare A B [--theme ${Object.keys(THEMES).join("|")}] [--out shot.png] …`);
    process.exitCode = 2;
    return;
  }
  const from = process.env["CALLED_FROM"] ?? ".";
  const files = positionals.map((given) => path.resolve(from, given));
  // A folder of its own, so that its settings (the theme) leave the files' folders alone; config.json and shards stay beside them.
  const folder = mkdtempSync(path.join(os.tmpdir(), "weight-loupe-look-"));
  const names = files.map((file, i) => {
    const name = files.length === 1 ? "model" : `${i + 1}-${path.basename(path.dirname(file))}`;
    symlinkSync(path.dirname(file), path.join(folder, name));
    return `${name}/${path.basename(file)}`;
  });
  const host = await TestHost.start();
  try {
    const window = await host.open({ folder, theme: values.theme as Theme, width: Number(values.width), height: Number(values.height) });
    if (values.compare) await window.compareFromExplorer(names[0]!, names[1]!);
    else await window.inspectFromExplorer(names[0]!);
    const view = await window.inspector();
    if (values["no-sidebar"]) await window.page.keyboard.press("Control+B");
    if (values.tab) await view.getByRole("tab", { name: new RegExp(values.tab) }).click();
    if (values.row) await view.getByRole("row", { name: new RegExp(values.row) }).first().click();
    for (const key of values.keys?.split(" ") ?? []) await window.page.keyboard.press(key);
    await window.page.waitForTimeout(Number(values.wait));
    if (values.scroll) {
      await view.locator(".detail").evaluate((detail: { scrollTop: number }, top) => { detail.scrollTop = top; }, Number(values.scroll));
      await window.page.waitForTimeout(800);
    }
    console.log(await window.screenshot(path.resolve(from, values.out)));
    if (values.console) for (const line of window.consoleErrors) console.log(line);
  } finally {
    await host.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

void main();
