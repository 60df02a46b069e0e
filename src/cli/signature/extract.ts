/** `weight-loupe signature extract`. */
import { mkdir, stat } from "node:fs/promises";
import path from "node:path";
import { DEFAULT_LAYERS, extractSignatures, type ExtractRequest } from "../../analysis/signature/extract";
import { DEFAULT_LEVELS, fewestLevels, MOST_LEVELS, SCHEMES, type Scheme } from "../../analysis/signature/quantisation";
import { SIGNATURE_ENDING } from "../../analysis/signature/signature-file";
import { LocalFiles } from "../../checkpoint/file-source";
import type { SignatureExtract } from "../../protocol/results";
import { UsageError, type Arguments } from "../arguments";
import type { Context } from "../command";
import { withEngine } from "../engine-process";
import { Exit } from "../failure";
import { bytes, count, number, printable, shape } from "../format";
import { selector } from "../select";
import { table, type Column } from "../table";
import { styleFor, type Style } from "../terminal";
import { findingLines, outputOf, withProgress } from "./work";

export async function extractCommand(args: Arguments, { json, signal, log, write }: Context): Promise<number> {
  if (args.operands.length > 0) throw new UsageError(`signature extract takes its models as --base, --clean and --robust; what is ${JSON.stringify(args.operands[0])}?`);
  const [clean] = args.values("clean");
  const robust = args.values("robust");
  if (clean === undefined) throw new UsageError("signature extract needs --clean CLEAN: the model fine-tuned on clean data");
  if (robust.length === 0) throw new UsageError("signature extract needs --robust R…: models fine-tuned on corrupted data");
  const shown = await outputsOf(outputOf(args), robust);
  const request: ExtractRequest = { base: args.values("base")[0] ?? null, clean, robust, choice: choiceOf(args), scheme: schemeOf(args), targets: shown.map((file) => path.resolve(file)) };
  const extracted = await withEngine(log, ({ engine }) => withProgress("extracting", (onProgress) => extractSignatures(request, { sources: new LocalFiles(), engine, signal, onProgress })));
  const document: SignatureExtract = { ...extracted, signatures: extracted.signatures.map((signature, i) => ({ ...signature, path: shown[i]! })) };
  await write(json ? `${JSON.stringify(document)}\n` : report(document, styleFor(process.stdout)));
  return Exit.done;
}

function choiceOf(args: Arguments): ExtractRequest["choice"] {
  const [layers] = args.values("layers");
  const patterns = args.values("tensor");
  if (layers !== undefined && patterns.length > 0) throw new UsageError("--layers and --tensor are two ways to choose tensors; give one");
  if (patterns.length > 0) return { select: selector(patterns) };
  if (layers === undefined) return { layers: DEFAULT_LAYERS };
  if (!/^\d+$/.test(layers) || Number(layers) < 1) throw new UsageError(`--layers ${layers} is no number of layers`);
  return { layers: Number(layers) };
}

function schemeOf(args: Arguments): Scheme | null {
  const [text] = args.values("quantise");
  const [levels] = args.values("levels");
  if (text === undefined) {
    if (levels !== undefined) throw new UsageError("--levels is for --quantise linear, log or tanh");
    return null;
  }
  const name = SCHEMES.find((scheme) => scheme === text);
  if (name === undefined) throw new UsageError(`--quantise ${text} is no scheme: ${SCHEMES.join(", ")}`);
  if (levels === undefined) return { name, levels: DEFAULT_LEVELS };
  const fewest = fewestLevels({ name });
  if (!/^\d+$/.test(levels) || Number(levels) < fewest || Number(levels) > MOST_LEVELS) throw new UsageError(`--levels ${levels} is no number of levels that ${name} can have: ${fewest} to ${MOST_LEVELS}`);
  return { name, levels: Number(levels) };
}

/** A file for each robust model, as OUT was written. */
async function outputsOf(out: string, robust: readonly string[]): Promise<string[]> {
  const folder = out.endsWith("/") || out.endsWith(path.sep) || ((await stat(out).catch(() => undefined))?.isDirectory() ?? false);
  if (!folder && !out.endsWith(".safetensors")) throw new UsageError(`-o ${out}: a signature is a ${SIGNATURE_ENDING} file`);
  if (robust.length === 1 && !folder) return [out];
  const names = namesOf(robust);
  if (folder) {
    await mkdir(out, { recursive: true });
    return names.map((name) => path.join(out, `${name}${SIGNATURE_ENDING}`));
  }
  const stem = out.endsWith(SIGNATURE_ENDING) ? out.slice(0, -SIGNATURE_ENDING.length) : out.replace(/\.safetensors$/, "");
  return names.map((name) => `${stem}-${name}${SIGNATURE_ENDING}`);
}

/** The models' names: of their files, or of their folders where files are called alike. */
function namesOf(models: readonly string[]): string[] {
  const files = models.map((model) => path.basename(path.resolve(model)).replace(/\.(?:safetensors|safetensors\.index\.json|pth?|bin|ckpt|npz|gguf|onnx|h5|msgpack)$/, ""));
  const names = new Set(files).size === files.length ? files : models.map((model) => path.basename(path.dirname(path.resolve(model))));
  if (new Set(names).size < names.length) throw new UsageError("two of the robust models have the same name, so their signatures would be one file; extract them one by one");
  return names;
}

const left = (title: string): Column => ({ title, align: "left" });
const right = (title: string): Column => ({ title, align: "right" });

function report({ signatures, units, layers, projected, quantised, findings, how }: SignatureExtract, style: Style): string {
  const chosen = units.filter((unit) => unit.chosen).map(({ name }) => name);
  const heading = signatures.map(
    ({ path: file, tensors, parameters, bytes: size, fullCopyBytes }) =>
      `${style.bold(printable(file))}  ${tensors} ${tensors === 1 ? "tensor" : "tensors"} · ${count(parameters)} parameters · ${bytes(size)}, ${((100 * size) / fullCopyBytes).toPrecision(3)} % of the model${quantised === null ? "" : ` · ${quantised.scheme}, ${quantised.levels} levels`}`,
  );
  const facts = [`  patched: ${chosen.map(printable).join(", ")} (${chosen.length} of ${units.length} layers)`, ...(projected ? [] : ["  unprojected: robust − clean, as no base is given"])];
  const columns = [left("tensor"), left("shape"), ...signatures.flatMap(({ robust }, i) => [...(i === 0 ? [] : [left("")]), right(`‖Δ‖ ${signatures.length === 1 ? "" : printable(path.basename(robust).replace(/\.\w+$/, ""))}`.trim()), right("/‖clean‖"), ...(projected ? [right("/‖update‖"), right("removed")] : [])])];
  const rows = layers.map(({ name, shape: axes, chosen: patched, differences, removedByProjection }) => [
    `${patched ? "• " : "  "}${printable(name)}`,
    shape(axes),
    ...differences.flatMap(({ norm, relative, relativeToUpdate }, i) => [...(i === 0 ? [] : [""]), number(norm), number(relative), ...(projected ? [number(relativeToUpdate!), `${(100 * Number(removedByProjection[i])).toPrecision(3)} %`] : [])]),
  ]);
  const blocks = [[...heading, ...facts], [...table(columns, rows, style.faint), style.faint(`  • patched; ${how.method}; ${how.precision}`)], findingLines(findings)];
  return `${blocks.filter((block) => block.length > 0).map((block) => block.join("\n")).join("\n\n")}\n`;
}
