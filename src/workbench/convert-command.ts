/** "Convert to safetensors…": asks what and where, writes in the background, and offers to look at the result. */
import path from "node:path";
import * as vscode from "vscode";
import { convert, planConversion, type ConversionRequest } from "../analysis/conversion";
import type { Engine } from "../analysis/engine";
import { readAdapter } from "../checkpoint/adapters/read-adapter";
import { LocalFiles } from "../checkpoint/file-source";
import { openCheckpoint } from "../checkpoint/registry";
import { RpcError } from "../protocol/rpc";
import { chooseCheckpoint, inspectUri } from "./inspect-command";

/**
 * Converts a checkpoint.
 * @param clicked The file or folder that was right-clicked; absent when called from the palette.
 * @throws RpcError in Restricted Mode or for a file that is not on disk; CheckpointError and EngineError with their reasons.
 */
export async function convertToSafetensors(engine: Engine, clicked?: unknown): Promise<void> {
  if (!vscode.workspace.isTrusted) {
    throw new RpcError({ code: "untrusted", message: "Converting writes a file and is off in Restricted Mode: trust this workspace first." });
  }
  const uri = clicked instanceof vscode.Uri ? clicked : await chooseCheckpoint("Convert to safetensors");
  if (uri === undefined) return;
  if (uri.scheme !== "file") throw new RpcError({ code: "unsupported", message: "Only files on disk can be converted; save a copy there first.", file: uri.toString() });
  const request = await whatToWrite(uri.fsPath);
  if (request === undefined) return;
  const target = await vscode.window.showSaveDialog({
    title: "Convert to safetensors",
    saveLabel: "Convert",
    defaultUri: vscode.Uri.file(proposedName(request)),
    filters: { safetensors: ["safetensors"] },
  });
  if (target === undefined) return;
  if (target.scheme !== "file") throw new RpcError({ code: "unsupported", message: "The file can only be written to a folder on disk.", file: target.toString() });
  if (!(await convertTo(engine, request, target))) return;
  const name = path.basename(target.fsPath);
  const answer = await vscode.window.showInformationMessage(`${name} is written.`, "Inspect");
  if (answer === "Inspect") await inspectUri(target);
}

/** Does it under a notification with a way to cancel. @returns whether it was done. */
export async function convertTo(engine: Engine, request: ConversionRequest, target: vscode.Uri): Promise<boolean> {
  const options = { location: vscode.ProgressLocation.Notification, title: `Converting to ${path.basename(target.fsPath)}`, cancellable: true };
  return vscode.window.withProgress(options, async (progress, token) => {
    const cancel = new AbortController();
    token.onCancellationRequested(() => cancel.abort());
    const { signal } = cancel;
    let shown = 0;
    try {
      const conversion = await planConversion(request, new LocalFiles(), signal);
      await convert(conversion, {
        engine,
        target: target.fsPath,
        signal,
        onProgress: (done, total, message) => {
          const percent = total > 0 ? Math.floor((100 * done) / total) : 100;
          if (percent === shown) return;
          progress.report({ increment: percent - shown, message });
          shown = percent;
        },
      });
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      throw error;
    }
  });
}

type Choice = vscode.QuickPickItem & { choice: "asIs" | "merged" | "delta" };

/** An adapter can become several things; everything else one. Undefined when the user changed their mind. */
async function whatToWrite(file: string): Promise<ConversionRequest | undefined> {
  const sources = new LocalFiles();
  const checkpoint = await openCheckpoint(file, sources);
  // One that cannot be read as an adapter still has tensors.
  const adapter = await readAdapter(checkpoint, sources).catch(() => null);
  if (adapter === null || adapter.notMergeable !== undefined) return { path: file };
  const choices: Choice[] = [
    { choice: "merged", label: "Merged weights", detail: "The base model with the adapter's updates added" },
    { choice: "delta", label: "ΔW of each module", detail: "The updates by themselves, in F32" },
    { choice: "asIs", label: "The adapter's own tensors", detail: "As they are, in safetensors" },
  ];
  const picked = await vscode.window.showQuickPick(choices, { title: "Convert to safetensors", placeHolder: `What to write of this ${adapter.type} adapter` });
  if (picked === undefined) return undefined;
  if (picked.choice === "asIs") return { path: file };
  const delta = picked.choice === "delta";
  if (delta && adapter.modules.every(({ delta: known, refused }) => known !== null || refused !== undefined)) return { path: file, delta };
  const base = await chooseBase(adapter.baseName, file);
  return base === undefined ? undefined : { path: file, bases: [base], delta };
}

/** Asks for the model that an adapter was trained on: a file, or a folder with one model. @param name as the adapter gives it. */
export async function chooseBase(name: string | null, adapter: string): Promise<string | undefined> {
  const [base] =
    (await vscode.window.showOpenDialog({
      title: name === null ? "The base model of the adapter" : `The base model of the adapter: ${name}`,
      openLabel: "Use as Base",
      canSelectFiles: true,
      canSelectFolders: true,
      defaultUri: vscode.Uri.file(path.dirname(path.dirname(adapter))),
    })) ?? [];
  return base?.fsPath;
}

/** Beside the input, with another ending; never the input's own name. */
function proposedName({ path: file, bases, delta }: ConversionRequest): string {
  const name = path.basename(file).replace(/(?:\.(?:safetensors|bin))?\.index\.json$|\.pth\.tar$|\.[^.]+$/i, "");
  const what = delta === true ? "-delta" : bases === undefined ? "" : "-merged";
  const proposed = path.join(path.dirname(file), `${name}${what}.safetensors`);
  return proposed === file ? path.join(path.dirname(file), `${name}-converted.safetensors`) : proposed;
}
