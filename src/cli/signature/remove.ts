/** `weight-loupe signature remove`. */
import path from "node:path";
import { RemovalRefused, removeSignatures } from "../../analysis/signature/remove";
import { openSignature, type Signature } from "../../analysis/signature/signature-file";
import { LocalFiles } from "../../checkpoint/file-source";
import { openCheckpoint } from "../../checkpoint/registry";
import type { SignatureRemove } from "../../protocol/results";
import type { Arguments } from "../arguments";
import type { Context } from "../command";
import { withEngine } from "../engine-process";
import { Exit, failureLine } from "../failure";
import { bytes, printable } from "../format";
import { onlyOperand, outputOf, signatureFiles, withProgress } from "./work";

export async function removeCommand(args: Arguments, { json, signal, log, write }: Context): Promise<number> {
  const file = onlyOperand(args, "remove PATCHED --signature S… -o OUT");
  const output = outputOf(args);
  const sources = new LocalFiles();
  const patched = await openCheckpoint(file, sources);
  const signatures: Signature[] = [];
  for (const name of signatureFiles(args)) signatures.push(await openSignature(name, sources));
  const [original] = args.values("original");
  const request = { patched, signatures, keep: args.values("keep"), original: original === undefined ? null : await openCheckpoint(original, sources), target: path.resolve(output) };
  let document: SignatureRemove;
  try {
    const removed = await withEngine(log, ({ engine }) => withProgress("removing", (onProgress) => removeSignatures(request, { sources, engine, signal, onProgress })));
    document = { path: file, removed: true, output, ...removed };
  } catch (error) {
    if (!(error instanceof RemovalRefused)) throw error;
    document = { path: file, removed: false, reason: error.message, output: null, remaining: [] };
    process.stderr.write(`${failureLine({ code: "refused", file, message: error.message })}\n`);
  }
  if (json) await write(`${JSON.stringify(document)}\n`);
  else if (document.removed) await write(report(document));
  return document.removed ? Exit.done : Exit.no;
}

const SOURCES = { undo: "the file beside the patched model", original: "the original that was named", subtraction: "subtraction" };

function report({ output, bytes: size = 0, by, remaining }: SignatureRemove): string {
  const rest = remaining.length === 0 ? "the original, bit by bit" : `with ${remaining.map(({ name, alpha }) => `${printable(name)} (α ${alpha})`).join(", ")} on the original`;
  return `${printable(output!)}  ${rest} · ${bytes(size)}\n  restored from ${SOURCES[by!]}; every hash is that of the original\n`;
}
