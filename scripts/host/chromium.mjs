// A Chromium for the journeys: found, or installed.
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { chromium } from "playwright-core";
import { cacheFolder } from "./cache.mjs";
import { output, run } from "./process.mjs";

/**
 * @typedef {{ path: string, from: string, args: string[] }} Chromium
 * `from` says where it was found, for people; `args` are what this build needs.
 */

/** @returns {Chromium | null} A Chromium that is already on this machine. */
export function findChromium() {
  const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  const named = process.env.CHROMIUM;
  if (named) {
    if (!existsSync(named)) throw new Error(`$CHROMIUM names ${named}, which does not exist.`);
    return { path: named, from: "$CHROMIUM", args };
  }
  for (const name of ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge"]) {
    for (const folder of (process.env.PATH ?? "").split(path.delimiter)) {
      const candidate = path.join(folder, process.platform === "win32" ? `${name}.exe` : name);
      if (folder && existsSync(candidate)) return { path: candidate, from: "PATH", args };
    }
  }
  for (const candidate of ["/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium"]) {
    if (existsSync(candidate)) return { path: candidate, from: "Applications", args };
  }
  if (existsSync(chromium.executablePath())) return { path: chromium.executablePath(), from: "Playwright", args };
  return null;
}

/**
 * Finds Chromium, else installs it: Debian's package when root, else Playwright's own download, else the npm package `@sparticuz/chromium`.
 * @param {(line: string) => void} say
 * @returns {Promise<Chromium>}
 * @throws Error with every way that was tried.
 */
export async function ensureChromium(say) {
  const found = findChromium() ?? findUnpacked();
  if (found) return found;
  /** @type {string[]} */
  const tried = [];
  if (process.getuid?.() === 0 && output("apt-get", ["--version"]) !== null) {
    say("Installing Debian's chromium with apt-get (once) …");
    try {
      const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
      run("apt-get", ["update", "-qq"], { env });
      run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", "chromium", "fonts-dejavu-core"], { env });
      const installed = findChromium();
      if (installed) return { ...installed, from: "apt" };
    } catch (error) {
      tried.push(`apt: ${message(error)}`);
    }
  }
  say("Installing Playwright's Chromium (once) …");
  try {
    const cli = path.join(path.dirname(createRequire(path.resolve("package.json")).resolve("playwright-core/package.json")), "cli.js");
    run(process.execPath, [cli, "install", "chromium"], { timeout: 300_000, shell: false });
    const installed = findChromium();
    if (installed) return installed;
  } catch (error) {
    tried.push(`Playwright: ${message(error)}`);
  }
  say("Installing @sparticuz/chromium from the npm registry (once) …");
  try {
    return unpackSparticuz();
  } catch (error) {
    tried.push(`@sparticuz/chromium: ${message(error)}`);
  }
  throw new Error(`No Chromium was found, and none could be installed (${tried.join("; ")}). Install Chromium or Chrome, or name one in $CHROMIUM.`);
}

const WRAPPER = "chromium.sh";

/** @returns {Chromium | null} */
function findUnpacked() {
  const file = path.join(cacheFolder("chromium"), WRAPPER);
  return existsSync(file) ? { path: file, from: "@sparticuz/chromium", args: ["--no-sandbox", "--no-zygote"] } : null;
}

/** @returns {Chromium} */
function unpackSparticuz() {
  const folder = cacheFolder("chromium");
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "package.json"), `${JSON.stringify({ private: true })}\n`);
  run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "@sparticuz/chromium@153"], { cwd: folder });
  // It unpacks itself into the temporary folder, and the libraries it needs only where it believes to be in a serverless runtime.
  const unpack = 'import("@sparticuz/chromium").then(({ default: chromium }) => chromium.executablePath())';
  run(process.execPath, ["--eval", unpack], { cwd: folder, shell: false, env: { ...process.env, TMPDIR: folder, AWS_LAMBDA_JS_RUNTIME: "nodejs22.x" } });
  // Its own list of font folders is that runtime's; ours names this machine's fonts and the family it brings.
  const fonts = path.join(folder, "fonts");
  const folders = ["/usr/share/fonts", "/usr/local/share/fonts", fonts].map((dir) => `<dir>${dir}</dir>`).join("");
  writeFileSync(path.join(fonts, "fonts.conf"), `<?xml version="1.0"?><fontconfig>${folders}<cachedir>${fonts}/cache</cachedir></fontconfig>\n`);
  const wrapper = path.join(folder, WRAPPER);
  const libraries = path.join(folder, "al2023", "lib");
  writeFileSync(wrapper, `#!/bin/sh\nexport LD_LIBRARY_PATH="\${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}${libraries}" FONTCONFIG_PATH="\${FONTCONFIG_PATH:-${fonts}}"\nexec "${path.join(folder, "chromium")}" "$@"\n`);
  chmodSync(wrapper, 0o755);
  const result = findUnpacked();
  if (!result) throw new Error("it did not unpack.");
  return result;
}

/** @param {unknown} error */
function message(error) {
  return error instanceof Error ? error.message : String(error);
}
