import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import * as vscode from "vscode";
import { api, extension } from "./support";

interface Manifest {
  icon: string;
  activationEvents: string[];
  extensionKind: string[];
  capabilities: { untrustedWorkspaces: { supported: unknown; description: string; restrictedConfigurations: string[] }; virtualWorkspaces: { supported: unknown } };
  contributes: {
    commands: { command: string; title: string; category: string }[];
    keybindings: { command: string; when: string }[];
    menus: Record<string, { command: string; when: string }[]>;
    customEditors: { viewType: string; priority: string; selector: { filenamePattern: string }[] }[];
    configuration: { properties: Record<string, { scope: string }> };
  };
}

const raw = (): string => readFileSync(path.join(extension().extensionPath, "package.json"), "utf8");
const manifest = (): Manifest => JSON.parse(raw()) as Manifest;

describe("the manifest", () => {
  it("contributes the commands that are registered, and no others", async () => {
    await api();
    const registered = (await vscode.commands.getCommands(true)).filter((command) => command.startsWith("weightLoupe."));
    // VS Code makes some of its own from a custom editor's name.
    const ours = registered.filter((command) => !/\.(open|focus|resetViewLocation)$/.test(command));
    assert.deepEqual(ours.sort(), manifest().contributes.commands.map(({ command }) => command).sort());
  });

  it("gives each command a title and our category", () => {
    const { commands } = (extension().packageJSON as Manifest).contributes;
    for (const { command, title, category } of commands) {
      assert.equal(category, "Weight Loupe", command);
      const shown = typeof title === "string" ? title : (title as { value: string }).value;
      assert.ok(shown.length > 0 && !shown.includes("%"), `${command}: ${shown}`);
    }
  });

  it("names only its own commands in menus and keys, each with a condition", () => {
    const { commands, menus, keybindings } = manifest().contributes;
    const known = new Set(commands.map(({ command }) => command));
    for (const { command, when } of [...Object.values(menus).flat(), ...keybindings]) {
      assert.ok(known.has(command), command);
      assert.ok(when.length > 0, command);
    }
  });

  it("has every text it refers to, and refers to every text it has", () => {
    const texts = JSON.parse(readFileSync(path.join(extension().extensionPath, "package.nls.json"), "utf8")) as Record<string, string>;
    const used = [...raw().matchAll(/"%([\w.]+)%"/g)].map((match) => match[1]!);
    assert.deepEqual([...new Set(used)].sort(), Object.keys(texts).sort());
  });

  it("activates on nothing but what it contributes, where the files are", () => {
    const { activationEvents, extensionKind, contributes } = manifest();
    // VS Code makes the events of commands, editors and our language itself; panels are brought back by one that has to be named, and a YAML
    // file may say in its first line that it is a recipe.
    assert.deepEqual(activationEvents, ["onLanguage:yaml", "onWebviewPanel:weightLoupe.compare", "onWebviewPanel:weightLoupe.merge", "onWebviewPanel:weightLoupe.models"]);
    assert.deepEqual(extensionKind, ["workspace"]);
    assert.deepEqual(
      contributes.customEditors.map(({ viewType, priority, selector }) => [viewType, priority, ...selector.map(({ filenamePattern }) => filenamePattern)]),
      [
        ["weightLoupe.inspect", "default", "*.{safetensors,gguf,pt,pth,npy,npz}"],
        ["weightLoupe.inspectOffered", "option", "*.{safetensors,bin}.index.json", "*.{bin,ckpt,tar,h5,hdf5,keras,msgpack,onnx}"],
      ],
    );
  });

  it("restricts every setting that names an executable, and no other", () => {
    const { capabilities, contributes } = manifest();
    assert.equal(capabilities.untrustedWorkspaces.supported, "limited");
    assert.equal(capabilities.virtualWorkspaces.supported, "limited");
    const paths = Object.keys(contributes.configuration.properties).filter((name) => name.endsWith(".path"));
    assert.deepEqual(capabilities.untrustedWorkspaces.restrictedConfigurations, paths);
    for (const name of paths) assert.equal(contributes.configuration.properties[name]?.scope, "machine-overridable");
  });

  it("has its icon", () => {
    assert.ok(existsSync(path.join(extension().extensionPath, manifest().icon)));
  });
});
