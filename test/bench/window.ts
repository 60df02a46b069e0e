/**
 * From the click to the structure on screen: a 1,000-tensor file in a window where another checkpoint was already
 * opened, a 500,000-tensor one, and two models of the shape of Llama 2 7B compared. As a measure of the machine, the same for a picture
 * of one pixel in VS Code's own preview, which is a page of its own too. Prints one JSON object, milliseconds (medians).
 */
import { rmSync } from "node:fs";
import { TestHost, type Window } from "../journey/harness";
import { Workspace } from "../journey/models";

rmSync(__filename, { force: true });

const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/** Opens `file` by a click in the Explorer and waits until the page says `fact`; without one, until it shows a picture. */
async function open(window: Window, file: string, fact: RegExp | null): Promise<number> {
  const item = await window.explorerItem(file);
  await item.hover();
  const begun = performance.now();
  await item.dblclick();
  const view = window.page.frameLocator("iframe.webview.ready:visible").first().frameLocator("#active-frame");
  await (fact === null ? view.locator("img") : view.getByText(fact)).first().waitFor({ timeout: 60_000 });
  const elapsed = performance.now() - begun;
  await window.command("View: Close All Editors");
  await window.page.waitForTimeout(500);
  return elapsed;
}

/** Compares two files from the Explorer and waits until the page says how they are paired. */
async function compare(window: Window, a: string, b: string, fact: RegExp): Promise<number> {
  const begun = await window.compareFromExplorer(a, b);
  const view = window.page.frameLocator("iframe.webview.ready:visible").first().frameLocator("#active-frame");
  await view.getByText(fact).first().waitFor({ timeout: 60_000 });
  const elapsed = performance.now() - begun;
  await window.command("View: Close All Editors");
  await window.page.waitForTimeout(500);
  return elapsed;
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

async function main(): Promise<void> {
  const workspace = new Workspace("tiny-llama");
  await workspace.sparse("thousand.safetensors", 500, 64);
  await workspace.manyTensors("many.safetensors", 500_000);
  await workspace.llama("a.safetensors");
  await workspace.llama("b.safetensors");
  workspace.write("pixel.png", Buffer.from(PIXEL, "base64"));
  const host = await TestHost.start();
  try {
    const window = await host.open({ folder: workspace.folder });
    await open(window, "tiny-llama/checkpoint-100/model.safetensors", /LlamaForCausalLM/);
    const thousand: number[] = [];
    for (let i = 0; i < 5; i++) thousand.push(await open(window, "thousand.safetensors", /500 layers/));
    const many = [await open(window, "many.safetensors", /500 k parameters/)];
    const pairs: number[] = [];
    for (let i = 0; i < 5; i++) pairs.push(await compare(window, "a.safetensors", "b.safetensors", /291 paired by name/));
    const pictures: number[] = [];
    for (let i = 0; i < 6; i++) pictures.push(await open(window, "pixel.png", null));
    // The first starts the extension that shows them.
    pictures.shift();
    console.log(JSON.stringify({ picture: median(pictures), thousand: median(thousand), many: median(many), pairs: median(pairs) }));
  } finally {
    await host.stop();
    workspace.remove();
  }
}

void main();
