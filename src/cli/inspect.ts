/** `weight-loupe inspect`: the structure of a checkpoint, and statistics, spectra and findings on request. */
import path from "node:path";
import { worstFirst } from "../analysis/health";
import { Inspection } from "../analysis/inspection";
import { parseSpectrumMode } from "../analysis/jobs";
import { totals } from "../analysis/overview";
import type { Checkpoint, Tensor } from "../checkpoint/checkpoint";
import { openCheckpoint } from "../checkpoint/registry";
import type { AnalysisPart, CachedResult, Overview, SpectrumMode } from "../protocol/inspect";
import type { Finding, Spectrum, Statistics } from "../protocol/results";
import { UsageError, type Arguments } from "./arguments";
import type { Command, Context } from "./command";
import { withEngine } from "./engine-process";
import { Exit } from "./failure";
import { inspectReport } from "./inspect-report";
import { shownFrom } from "./paths";
import { selector } from "./select";
import { ProgressLine } from "./terminal";

/** The document that `--json` prints. */
export interface InspectDocument extends Omit<Overview, "name" | "wholeModel" | "trusted"> {
  /** In file order. */
  tensors: TensorDocument[];
}

export interface TensorDocument {
  name: string;
  dtype: string;
  shape: number[];
  parameters: number;
  bytes: number;
  file: string;
  /** Null when the bytes are not contiguous in the file. */
  offset: number | null;
  sharedWith?: string[];
  unreadable?: string;
  statistics?: Statistics;
  spectrum?: Spectrum;
}

export const inspect: Command = {
  name: "inspect",
  operands: "FILE",
  summary: "what a checkpoint holds: a file, an index, or a folder with one model",
  options: {
    tensor: { value: "required", many: true, usage: "--tensor GLOB", meaning: "only these tensors: a name, a glob (*, **, ?, {a,b}) or a /regular expression/" },
    stats: { value: "none", usage: "--stats", meaning: "statistics of every element" },
    spectrum: { value: "optional", usage: "--spectrum[=MODE]", meaning: "singular values of every matrix; MODE: exact (default), fast, or top:K" },
    health: { value: "none", usage: "--health", meaning: "what looks wrong, worst first" },
  },
  async run(args, context) {
    const [file, ...more] = args.operands;
    if (file === undefined) throw new UsageError("inspect needs a FILE: a checkpoint, an index, or a folder with one model");
    if (more.length > 0) throw new UsageError(`inspect takes one FILE; what is ${JSON.stringify(more[0])}?`);
    const mode = spectrumMode(args);
    const selects = selector(args.values("tensor"));
    const parts: AnalysisPart[] = [];
    if (args.has("stats") || args.has("health")) parts.push("statistics");
    if (args.has("health")) parts.push("norms");
    if (mode !== null) parts.push("spectrum");

    const document = parts.length === 0 ? await structure(file, selects) : await analysed(file, selects, parts, mode, args, context);
    await context.write(context.json ? `${JSON.stringify(document)}\n` : inspectReport(document, process.stdout));
    return Exit.done;
  },
};

function spectrumMode(args: Arguments): SpectrumMode | null {
  if (!args.has("spectrum")) return null;
  const [text = "exact"] = args.values("spectrum");
  const mode = parseSpectrumMode(text);
  if (mode === null) throw new UsageError(`--spectrum=${text} is no mode: write exact, fast, or top:K with K from 1 to 4096`);
  return mode;
}

async function structure(file: string, selects: (tensors: readonly Tensor[]) => number[]): Promise<InspectDocument> {
  const checkpoint = await openCheckpoint(file);
  return documentOf(checkpoint, file, selects(checkpoint.tensors), () => undefined, worstFirst(checkpoint.findings));
}

async function analysed(
  file: string,
  selects: (tensors: readonly Tensor[]) => number[],
  parts: readonly AnalysisPart[],
  mode: SpectrumMode | null,
  args: Arguments,
  { signal, log }: Context,
): Promise<InspectDocument> {
  // Read before the engine starts: a file that cannot be opened is the better reason.
  const checkpoint = await openCheckpoint(file);
  const selection = selects(checkpoint.tensors);
  return withEngine(log, async ({ engine }) => {
    const inspection = new Inspection({ path: path.resolve(file), open: () => Promise.resolve(checkpoint), engine });
    const progress = new ProgressLine("analysing");
    const unlisten = inspection.on({ progress: (now) => progress.show(now) });
    try {
      await inspection.analyse({ parts, tensors: selection, ...(mode === null ? {} : { mode }) }, signal);
      signal.throwIfAborted();
      const findings = args.has("health") ? inspection.findings() : worstFirst([...checkpoint.findings, ...inspection.notAnalysed()]);
      return documentOf(checkpoint, file, selection, (i) => asked(inspection.known(i), args), findings);
    } finally {
      unlisten();
      progress.clear();
      await inspection.dispose();
    }
  });
}

/** What was asked for of what is known: health needs statistics that nobody wants printed. */
function asked(known: CachedResult | undefined, args: Arguments): Pick<TensorDocument, "statistics" | "spectrum"> {
  return {
    ...(args.has("stats") && known?.statistics !== undefined ? { statistics: known.statistics } : {}),
    ...(known?.spectrum === undefined ? {} : { spectrum: known.spectrum }),
  };
}

function documentOf(
  checkpoint: Checkpoint,
  operand: string,
  selection: readonly number[],
  results: (tensor: number) => Pick<TensorDocument, "statistics" | "spectrum"> | undefined,
  findings: Finding[],
): InspectDocument {
  const show = shownFrom(operand);
  const chosen = new Set(selection.map((i) => checkpoint.tensors[i]!.name));
  const files = checkpoint.files.map(({ path, bytes, missing }) => ({ path: show(path), bytes, ...(missing ? { missing } : {}) }));
  return {
    path: operand,
    format: checkpoint.format,
    files,
    ...totals(checkpoint.tensors),
    layers: checkpoint.layers,
    architecture: checkpoint.architecture,
    metadata: checkpoint.metadata,
    tensors: selection.map((i) => {
      const { name, dtype, shape, parameters, bytes, file, offset, sharedWith, unreadable } = checkpoint.tensors[i]!;
      return {
        name, dtype, shape, parameters, bytes, file: files[file]!.path, offset,
        ...(sharedWith === undefined ? {} : { sharedWith }),
        ...(unreadable === undefined ? {} : { unreadable }),
        ...results(i),
      };
    }),
    findings: findings.filter(({ tensor }) => tensor === undefined || chosen.has(tensor)),
  };
}
