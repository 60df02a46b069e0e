/** Writing what a page exports: the user says where, an input is never written to, and a file is whole or not there. */
import { randomBytes } from "node:crypto";
import * as vscode from "vscode";
import type { InspectHost } from "../protocol/inspect";
import { RpcError } from "../protocol/rpc";
import type { OpenCheckpoint } from "./documents";

const FILTERS: Record<string, string> = { csv: "CSV", json: "JSON", png: "PNG image", svg: "SVG image", html: "HTML report", py: "Python" };

/**
 * Asks where, then writes.
 * @param origin What the page shows: a name beside it is proposed.
 * @param inputs The files that are open.
 * @returns The path, or null when the user changed their mind.
 * @throws RpcError in Restricted Mode, or when the place is one of the files that are open.
 */
export async function saveExport({ name, content, encoding }: Parameters<InspectHost["save"]>[0], origin: vscode.Uri, inputs: () => Promise<vscode.Uri[]>): Promise<{ path: string | null }> {
  if (!vscode.workspace.isTrusted) {
    throw new RpcError({ code: "untrusted", message: "Saving files is off in Restricted Mode; trust this workspace to save, or copy instead." });
  }
  const safe = name.replace(/[^\p{L}\p{N}._ -]/gu, "_").slice(-120);
  const extension = /\.([a-z0-9]+)$/i.exec(safe)?.[1]?.toLowerCase() ?? "";
  const filter = FILTERS[extension];
  const target = await vscode.window.showSaveDialog({
    defaultUri: vscode.Uri.joinPath(origin, "..", safe),
    ...(filter === undefined ? {} : { filters: { [filter]: [extension] } }),
  });
  if (target === undefined) return { path: null };
  if ([origin, ...(await inputs())].some((input) => input.toString() === target.toString())) {
    throw new RpcError({ code: "io", message: "This is a file of the checkpoint itself; choose another name.", file: target.fsPath });
  }
  await writeWhole(target, Buffer.from(content, encoding));
  return { path: target.scheme === "file" ? target.fsPath : target.toString() };
}

/** Writes a file that is whole or not there. @throws RpcError with the reason. */
export async function writeWhole(target: vscode.Uri, content: Uint8Array): Promise<void> {
  const temporary = target.with({ path: `${target.path}.${randomBytes(4).toString("hex")}.tmp` });
  try {
    await vscode.workspace.fs.writeFile(temporary, content);
    await vscode.workspace.fs.rename(temporary, target, { overwrite: true });
  } catch (error) {
    await Promise.resolve(vscode.workspace.fs.delete(temporary)).catch(() => undefined);
    throw new RpcError({ code: "io", message: `The file could not be written: ${error instanceof Error ? error.message : String(error)}`, file: target.fsPath });
  }
}

/** The files of an open checkpoint. */
export async function inputFiles(checkpoint: OpenCheckpoint): Promise<vscode.Uri[]> {
  try {
    const { files } = await (await checkpoint.inspection()).checkpoint();
    return files.map((file) => checkpoint.uri.with({ path: vscode.Uri.file(file.path).path }));
  } catch {
    // A file that cannot be read has no shards.
    return [];
  }
}
