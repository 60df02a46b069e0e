import assert from "node:assert/strict";
import * as esbuild from "esbuild";

describe("the plotting library's bundle", () => {
  it("evaluates no text as code, so that it runs under a strict content security policy", async function () {
    this.timeout(60_000);
    const { outputFiles } = await esbuild.build({
      entryPoints: ["webview/plots/plotly-bundle.ts"], bundle: true, minify: true, write: false, format: "iife", platform: "browser", outdir: "out",
      loader: { ".css": "empty" }, define: { global: "globalThis" }, logLevel: "silent",
    });
    const code = outputFiles.find(({ path }) => path.endsWith(".js"))!.text;
    assert.ok(code.length > 100_000);
    assert.doesNotMatch(code, /\bnew Function\b|[^\w$.]Function\s*\(|[^\w$.]eval\s*\(|set(?:Timeout|Interval)\s*\(\s*["'`]/);
    assert.doesNotMatch(code, /document\.write\b|[^\w$.]import\s*\(/);
  });
});
