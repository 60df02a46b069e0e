// A VS Code that says nothing on its own: no welcome, no tips, no updates, nothing asked of the network.
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

const QUIET = {
  "workbench.startupEditor": "none",
  "workbench.tips.enabled": false,
  "workbench.enableExperiments": false,
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "chat.disableAIFeatures": true,
  "extensions.autoCheckUpdates": false,
  "extensions.autoUpdate": false,
  "extensions.ignoreRecommendations": true,
  "update.mode": "none",
  "telemetry.telemetryLevel": "off",
  "git.enabled": false,
  "security.workspace.trust.startupPrompt": "never",
  "security.workspace.trust.banner": "never",
};

/**
 * Writes `settings.json` into a folder of user data.
 * @param {string} folder
 * @param {Record<string, unknown>} [settings] What is set besides.
 */
export function writeSettings(folder, settings = {}) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "settings.json"), JSON.stringify({ ...QUIET, ...settings }, null, 2));
}
