// Opens files in the inspector once a window is there: files named on VS Code's command line are opened before an extension from source is known.
import { randomUUID } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

/**
 * The opener as a package, to be installed where only one extension can be loaded from source.
 * @param {string} folder As for `writeOpener`, of which the opener becomes a part.
 * @param {string[]} files
 * @returns {Promise<string>} Path of the package.
 */
export async function packOpener(folder, files) {
  const { createVSIX } = await import("@vscode/vsce");
  const source = path.join(folder, "opener");
  writeOpener(source, files);
  const packagePath = path.join(folder, "opener.vsix");
  await createVSIX({ cwd: source, packagePath, dependencies: false, allowMissingRepository: true, skipLicense: true });
  return packagePath;
}

/**
 * Writes a small extension that opens `files` when its window has started, once.
 * @param {string} folder Where; made when missing.
 * @param {string[]} files Absolute paths.
 */
export function writeOpener(folder, files) {
  mkdirSync(folder, { recursive: true });
  const manifest = {
    name: "opener",
    publisher: "weight-loupe",
    // A server refuses to install a version again.
    version: `0.0.${Math.floor(Date.now() / 1000)}`,
    engines: { vscode: "^1.100.0" },
    main: "./extension.js",
    files: ["extension.js"],
    extensionKind: ["workspace"],
    activationEvents: ["onStartupFinished"],
    capabilities: { untrustedWorkspaces: { supported: true } },
  };
  // Reloading the window must not open them again: the state remembers this start.
  const program = `const vscode = require("vscode");
exports.activate = async ({ globalState }) => {
  const start = ${JSON.stringify(randomUUID())};
  if (globalState.get("start") === start) return;
  await globalState.update("start", start);
  for (const file of ${JSON.stringify(files)}) await vscode.commands.executeCommand("weightLoupe.inspect", vscode.Uri.file(file));
};
`;
  writeFileSync(path.join(folder, "package.json"), JSON.stringify(manifest, null, 2));
  writeFileSync(path.join(folder, "extension.js"), program);
}
