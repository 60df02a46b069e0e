/** `weight-loupe signature compare`. */
import { compareSignatures } from "../../analysis/signature/compare";
import { openSignature, signatureName, type Signature } from "../../analysis/signature/signature-file";
import { LocalFiles } from "../../checkpoint/file-source";
import type { SignatureCompare } from "../../protocol/results";
import { UsageError, type Arguments } from "../arguments";
import type { Context } from "../command";
import { withEngine } from "../engine-process";
import { Exit } from "../failure";
import { bytes, number, printable } from "../format";
import { table, type Column } from "../table";
import { styleFor, type Style } from "../terminal";
import { withProgress } from "./work";

export async function compareCommand(args: Arguments, { json, signal, log, write }: Context): Promise<number> {
  const files = args.operands.length > 0 ? args.operands : args.values("signature");
  if (files.length === 0) throw new UsageError("signature compare needs signature files");
  const sources = new LocalFiles();
  const signatures: Signature[] = [];
  for (const file of files) signatures.push(await openSignature(file, sources));
  const document = await withEngine(log, ({ engine }) => withProgress("comparing", (onProgress) => compareSignatures(signatures, { engine, signal, onProgress })));
  await write(json ? `${JSON.stringify(document)}\n` : report(document, styleFor(process.stdout)));
  return Exit.done;
}

const left = (title: string): Column => ({ title, align: "left" });
const right = (title: string): Column => ({ title, align: "right" });

function report({ signatures, cosine, layers, bytes: sizes, fullCopyBytes, how }: SignatureCompare, style: Style): string {
  const names = signatures.map((file) => printable(signatureName(file)));
  const cosines = table([left("cosine"), ...names.map(right)], cosine.map((row, i) => [names[i]!, ...row.map(number)]), style.faint);
  const columns = [left("tensor"), ...names.flatMap((name) => [right(`‖${name}‖`), right("removed")])];
  const rows = layers.map(({ name, norm, removedByProjection }) => [printable(name), ...norm.flatMap((value, i) => [value === null ? "" : number(value), removedByProjection[i] == null ? "" : `${(100 * Number(removedByProjection[i])).toPrecision(3)} %`])]);
  const bytesOf = table([left("signature"), right("bytes"), right("of the model")], sizes.map((size, i) => [names[i]!, bytes(size), `${((100 * size) / fullCopyBytes).toPrecision(3)} %`]), style.faint);
  return `${[cosines, [...table(columns, rows, style.faint), style.faint(`  removed: energy that the projection took away; ${how.method}; ${how.precision}`)], bytesOf].map((block) => block.join("\n")).join("\n\n")}\n`;
}
