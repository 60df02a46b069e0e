/** The four kinds of theme, seen. Pictures are for people; what is checked is that the page follows the theme and its policy. */
import assert from "node:assert/strict";
import { BODY_CLASSES, TestHost, THEMES, type Theme } from "./harness";
import { Workspace } from "./models";

describe("themes", () => {
  let host: TestHost;
  let workspace: Workspace;

  before(async () => {
    host = await TestHost.start();
  });
  after(() => host.stop());
  // Files of its own for each theme: nothing about them is in the cache, so that every page is seen empty first.
  beforeEach(() => {
    workspace = new Workspace("tiny-llama", "diverged");
  });
  afterEach(() => workspace.remove());

  for (const theme of Object.keys(THEMES) as Theme[]) {
    it(`${theme}: overview, tensor and health pages follow it`, async () => {
      const window = await host.open({ folder: workspace.folder, theme });
      try {
        await window.inspectFromExplorer("tiny-llama/checkpoint-1200/model.safetensors");
        const view = await window.inspector();
        await view.getByText(/LlamaForCausalLM/).first().waitFor();
        await view.locator(`body.${BODY_CLASSES[theme]}`).waitFor();
        await window.analyse();
        await window.screenshot(`theme-${theme}-overview`);
        await window.selectTensor("model.layers.1.mlp.down_proj.weight");
        await view.locator("canvas").first().waitFor();
        await window.settled();
        await window.screenshot(`theme-${theme}-tensor`);
        const [page, workbench] = await Promise.all([
          view.locator("body").evaluate(background),
          window.page.locator(".part.editor .editor-container, .part.editor").first().evaluate(background),
        ]);
        assert.equal(opaque(page), opaque(workbench));
        await window.openFile("diverged/checkpoint-450/model.safetensors");
        await view.getByRole("button", { name: "Analyse whole model" }).first().waitFor();
        await window.analyse();
        await view.getByRole("tab", { name: /Health/ }).click();
        await view.getByText(/NaN/).first().waitFor();
        await window.settled();
        await window.screenshot(`theme-${theme}-health`);
        assert.deepEqual(window.refusals(), []);
      } finally {
        await window.close();
      }
    });
  }
});

/** Runs in the browser. */
function background(element: { ownerDocument: { defaultView: { getComputedStyle(of: unknown): { backgroundColor: string } } | null } }): string {
  return element.ownerDocument.defaultView?.getComputedStyle(element).backgroundColor ?? "";
}

/** A colour, with "transparent" as what it shows: the workbench behind. */
function opaque(colour: string): string {
  return colour === "rgba(0, 0, 0, 0)" ? "workbench" : colour;
}
