// Which VS Code the tests run in: desktop where it can be had, else the server out of the npm registry.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { cacheFolder } from "./cache.mjs";

/**
 * @typedef {{ kind: "electron", version: string, executable?: string } | { kind: "server" }} Host
 */

const RELEASES = "https://update.code.visualstudio.com/api/releases/stable";
/** How long an answer about the download is believed. Milliseconds. */
const BELIEVED = 24 * 3600_000;

/**
 * `WEIGHT_LOUPE_TEST_HOST=server|electron` decides; `WEIGHT_LOUPE_VSCODE` names a desktop executable. Otherwise desktop
 * VS Code is used when it can be downloaded and there is a display to show it on.
 * @param {(line: string) => void} say
 * @returns {Promise<Host>}
 */
export async function chooseHost(say) {
  const version = process.env.WEIGHT_LOUPE_VSCODE_VERSION ?? "stable";
  const executable = process.env.WEIGHT_LOUPE_VSCODE;
  if (executable && !existsSync(executable)) throw new Error(`$WEIGHT_LOUPE_VSCODE names ${executable}, which does not exist.`);
  /** @type {Host} */
  const electron = { kind: "electron", version, ...(executable ? { executable } : {}) };
  const asked = process.env.WEIGHT_LOUPE_TEST_HOST;
  if (asked === "electron") return electron;
  if (asked === "server") return { kind: "server" };
  if (asked) throw new Error(`WEIGHT_LOUPE_TEST_HOST is ${asked}; it may be server or electron.`);
  const display = process.platform !== "linux" || process.env.DISPLAY || process.env.WAYLAND_DISPLAY;
  if (!display) {
    say("Tests run in the VS Code server: there is no display for desktop VS Code (WEIGHT_LOUPE_TEST_HOST=electron overrides).");
    return { kind: "server" };
  }
  if (executable || (await downloadable())) return electron;
  say("Tests run in the VS Code server: desktop VS Code cannot be downloaded here (WEIGHT_LOUPE_TEST_HOST=electron overrides).");
  return { kind: "server" };
}

/** Asks once a day whether desktop VS Code can be downloaded. */
async function downloadable() {
  const file = path.join(cacheFolder("probe"), "download.json");
  try {
    const known = JSON.parse(readFileSync(file, "utf8"));
    if (Date.now() - known.at < BELIEVED && typeof known.works === "boolean") return known.works;
  } catch {
    // Not asked yet.
  }
  let works = false;
  try {
    works = (await fetch(RELEASES, { signal: AbortSignal.timeout(5000) })).ok;
  } catch {
    // No name server, no route, no answer: all the same to us.
  }
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify({ at: Date.now(), works }));
  return works;
}
