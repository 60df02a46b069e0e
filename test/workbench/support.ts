/** What the suites inside the extension host share. */
import { writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import path from "node:path";
import * as vscode from "vscode";
import type { WeightLoupe } from "../../src/workbench/extension";

export const EXTENSION_ID = "weight-loupe.weight-loupe";

export function extension(): vscode.Extension<WeightLoupe> {
  const found = vscode.extensions.getExtension<WeightLoupe>(EXTENSION_ID);
  if (found === undefined) throw new Error(`${EXTENSION_ID} is not loaded.`);
  return found;
}

export const api = async (): Promise<WeightLoupe> => extension().activate();

/** A path in the window's folder, which is a copy and may be written to. */
export function inWorkspace(...parts: string[]): vscode.Uri {
  const folder = vscode.workspace.workspaceFolders?.[0];
  if (folder === undefined) throw new Error("The window has no folder.");
  return vscode.Uri.joinPath(folder.uri, ...parts);
}

export const LLAMA = ["examples", "tiny-llama", "checkpoint-1200", "model.safetensors"] as const;

/** Waits until `condition` answers something, asking twenty times a second. */
export async function until<T>(what: string, condition: () => T | undefined | false | null, limit = 20_000): Promise<T> {
  const end = Date.now() + limit;
  for (;;) {
    const answer = condition();
    if (answer !== undefined && answer !== false && answer !== null) return answer;
    if (Date.now() > end) throw new Error(`Waited ${limit / 1000} s in vain: ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export async function closeAll(): Promise<void> {
  await vscode.commands.executeCommand("workbench.action.closeAllEditors");
}

/** Tabs of the inspector, whatever group they are in. */
export function inspectorTabs(): (vscode.Tab & { input: vscode.TabInputCustom })[] {
  return vscode.window.tabGroups.all
    .flatMap((group) => group.tabs)
    .filter((tab): tab is vscode.Tab & { input: vscode.TabInputCustom } => tab.input instanceof vscode.TabInputCustom && tab.input.viewType.startsWith("weightLoupe."));
}

/** A safetensors file of tensors laid out one after the other. */
export function safetensors(tensors: Record<string, { dtype: string; shape: number[]; data: Uint8Array }>): Buffer {
  let end = 0;
  const header: Record<string, unknown> = {};
  for (const [name, { dtype, shape, data }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [end, end + data.length] };
    end += data.length;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, ...Object.values(tensors).map(({ data }) => data)]);
}

export function floats(...values: number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}

/** One F32 vector; the smallest file worth opening. */
export function vectorFile(uri: vscode.Uri, ...values: number[]): void {
  writeFileSync(uri.fsPath, safetensors({ vector: { dtype: "F32", shape: [values.length], data: floats(...values) } }));
}

/** A file with one BF16 matrix of zeros that takes no space on disk. Answers its size in bytes. */
export async function sparseFile(uri: vscode.Uri, rows: number, columns: number): Promise<number> {
  const bytes = rows * columns * 2;
  const header = Buffer.from(JSON.stringify({ "large.weight": { dtype: "BF16", shape: [rows, columns], data_offsets: [0, bytes] } }));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const file = await open(uri.fsPath, "w");
  try {
    await file.write(Buffer.concat([length, header]));
    await file.truncate(8 + header.length + bytes);
  } finally {
    await file.close();
  }
  return 8 + header.length + bytes;
}

export function baseName(uri: vscode.Uri): string {
  return path.posix.basename(uri.path);
}
