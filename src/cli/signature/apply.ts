/** `weight-loupe signature apply`. */
import path from "node:path";
import { applySignatures, coefficientOf, type Weighted } from "../../analysis/signature/apply";
import { openSignature } from "../../analysis/signature/signature-file";
import { LocalFiles } from "../../checkpoint/file-source";
import { openCheckpoint } from "../../checkpoint/registry";
import type { SignatureApply, SignatureScaling } from "../../protocol/results";
import { UsageError, type Arguments } from "../arguments";
import type { Context } from "../command";
import { withEngine } from "../engine-process";
import { Exit } from "../failure";
import { bytes, count, number, printable } from "../format";
import { findingLines, onlyOperand, outputOf, signatureFiles, withProgress } from "./work";

export async function applyCommand(args: Arguments, { json, signal, log, write }: Context): Promise<number> {
  const file = onlyOperand(args, "apply MODEL --signature S… -o OUT");
  const files = signatureFiles(args);
  const output = outputOf(args);
  const scaling = scalingOf(args);
  const alphas = alphasOf(args, files.length);
  const sources = new LocalFiles();
  const model = await openCheckpoint(file, sources);
  const signatures: Weighted[] = [];
  for (const [i, name] of files.entries()) signatures.push({ signature: await openSignature(name, sources), alpha: alphas[i]!, coefficient: coefficientOf(alphas[i]!, files.length, scaling) });
  const request = { model, signatures, ontoOther: args.has("onto-other"), undo: !args.has("no-undo"), target: path.resolve(output) };
  const applied = await withEngine(log, ({ engine }) => withProgress("patching", (onProgress) => applySignatures(request, { sources, engine, signal, onProgress })));
  const undo = applied.undo === null ? null : { ...applied.undo, path: path.join(path.dirname(output), path.basename(applied.undo.path)) };
  const document: SignatureApply = { path: file, output, ...applied, undo, scaling };
  await write(json ? `${JSON.stringify(document)}\n` : report(document));
  return Exit.done;
}

function scalingOf(args: Arguments): SignatureScaling {
  const [text = "linear"] = args.values("scaling");
  if (text !== "linear" && text !== "authors") throw new UsageError(`--scaling ${text} is neither linear nor authors`);
  return text;
}

function alphasOf(args: Arguments, signatures: number): number[] {
  const given = args.values("alpha").map((text) => {
    const alpha = text.trim() === "" ? NaN : Number(text);
    if (!Number.isFinite(alpha)) throw new UsageError(`--alpha ${text} is no number`);
    return alpha;
  });
  if (given.length > 1 && given.length !== signatures) throw new UsageError(`--alpha has ${given.length} numbers for ${signatures} ${signatures === 1 ? "signature" : "signatures"}; give one for each, or one for all`);
  return Array.from({ length: signatures }, (_, i) => given[i] ?? given[0] ?? 1);
}

function report({ output, bytes: size, undo, signatures, tensors, parameters, findings }: SignatureApply): string {
  return [
    `${printable(output)}  ${tensors} ${tensors === 1 ? "tensor" : "tensors"} patched, ${count(parameters)} parameters · ${bytes(size)}`,
    ...signatures.map(({ path: file, alpha, coefficient }) => `  + ${number(coefficient)} · ${printable(file)}${coefficient === alpha ? "" : `  (α ${number(alpha)})`}`),
    ...(undo === null ? [] : [`  ${printable(undo.path)}  ${bytes(undo.bytes)}, for taking it off again`]),
    ...findingLines(findings),
    "",
  ].join("\n");
}
