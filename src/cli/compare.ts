/** `weight-loupe compare`: what differs between two models, tensor by tensor. */
import path from "node:path";
import { Comparison } from "../analysis/compare/comparison";
import { documentOf } from "../analysis/compare/document";
import { pairSpectra, type Spectra } from "../analysis/compare/spectra";
import { parseSpectrumMode } from "../analysis/jobs";
import type { Checkpoint } from "../checkpoint/checkpoint";
import { openCheckpoint } from "../checkpoint/registry";
import type { ComparePart } from "../protocol/compare";
import type { SpectrumMode } from "../protocol/inspect";
import type { Compare } from "../protocol/results";
import { RpcError } from "../protocol/rpc";
import { UsageError, type Arguments } from "./arguments";
import type { Command, Context } from "./command";
import { compareCsv } from "./compare-csv";
import { compareReport } from "./compare-report";
import { withEngine } from "./engine-process";
import { Exit } from "./failure";
import { selector } from "./select";
import { ProgressLine } from "./terminal";

export const compare: Command = {
  name: "compare",
  operands: "A B",
  summary: "what differs between two models, the largest relative change first; an adapter stands for the other side with its updates added",
  options: {
    map: { value: "required", usage: "--map FILE", meaning: "which tensors belong together, where no rule tells (YAML)" },
    tensor: { value: "required", many: true, usage: "--tensor GLOB", meaning: "only these tensors, by either side's name: a name, a glob (*, **, ?, {a,b}) or a /regular expression/" },
    spectrum: { value: "optional", usage: "--spectrum[=MODE]", meaning: "singular values of A, B and B − A of each matrix that differs, and how their spaces overlap; MODE: exact (default), fast, or top:K" },
    structure: { value: "none", usage: "--structure", meaning: "what each change looks like: low-rank, some rows, columns, heads or blocks, another order, a multiple" },
    check: { value: "none", usage: "--check", meaning: "end with status 1 when anything differs, or has no partner" },
    base: { value: "required", usage: "--base BASE", meaning: "the model that adapters were trained on, when their updates depend on its weights" },
    tolerance: { value: "required", usage: "--tolerance T", meaning: "an element is changed beyond it when |b − a| > T·max(|a|, |b|); default: the rounding of the coarser dtype" },
    csv: { value: "none", usage: "--csv", meaning: "the pairs' numbers as comma-separated values" },
  },
  async run(args, context) {
    const [a, b, ...more] = args.operands;
    if (a === undefined || b === undefined) throw new UsageError("compare needs two models, A and B: each a checkpoint, an index, or a folder with one model");
    if (more.length > 0) throw new UsageError(`compare takes two models; what is ${JSON.stringify(more[0])}?`);
    if (context.json && args.has("csv")) throw new UsageError("--json and --csv are two forms of the same; give one");
    const document = await compared(a, b, args, context);
    const text = context.json ? `${JSON.stringify(document)}\n` : args.has("csv") ? compareCsv(document) : compareReport(document, process.stdout);
    await context.write(text);
    return args.has("check") && differs(document) ? Exit.no : Exit.done;
  },
};

/** Whether anything is not known to be equal. */
function differs({ pairs, onlyInA, onlyInB, reshaped, findings }: Compare): boolean {
  return pairs.some(({ equal }) => !equal) || onlyInA.length + onlyInB.length + reshaped.length > 0 || findings.some(({ rule }) => rule === "not-compared" || rule === "nothing-in-common");
}

async function compared(a: string, b: string, args: Arguments, { signal, log }: Context): Promise<Compare> {
  const selects = selector(args.values("tensor"));
  const mode = spectrumMode(args);
  const tolerance = toleranceOf(args);
  const [base] = args.values("base");
  const [map] = args.values("map");
  // Read before the engine starts: a file that cannot be opened is the better reason.
  const opening = new Map<string, Checkpoint>();
  for (const file of [a, b]) opening.set(path.resolve(file), await openCheckpoint(file));
  return withEngine(log, async ({ engine }) => {
    const comparison = new Comparison({
      a: path.resolve(a),
      b: path.resolve(b),
      ...(base === undefined ? {} : { base: path.resolve(base) }),
      ...(map === undefined ? {} : { map: path.resolve(map) }),
      ...(tolerance === undefined ? {} : { tolerance }),
      open: async (file) => opening.get(file) ?? openCheckpoint(file),
      engine,
    });
    const progress = new ProgressLine("comparing");
    const unlisten = comparison.on({ progress: (now) => progress.show(now) });
    try {
      await comparison.settled();
      const opened = await comparison.opened();
      const { pairing } = opened;
      const tensors = [...opened.a.checkpoint.tensors, ...opened.b.checkpoint.tensors];
      const selected = selects(tensors);
      const ofA = opened.a.checkpoint.tensors.length;
      const only = { a: new Set(selected.filter((i) => i < ofA)), b: new Set(selected.filter((i) => i >= ofA).map((i) => i - ofA)) };
      const pairs = [...pairing.pairs.keys()].filter((i) => only.a.has(pairing.pairs[i]!.a.tensor) || only.b.has(pairing.pairs[i]!.b.tensor));
      const parts: ComparePart[] = ["difference", ...(args.has("structure") ? (["structure"] as const) : [])];
      await comparison.analyse({ parts, pairs }, signal);
      signal.throwIfAborted();
      const spectra = mode === null ? undefined : await pairSpectra(comparison, pairs, mode, signal, (now) => progress.show(now));
      signal.throwIfAborted();
      const changed = await opened.versions.firstChanged([...opened.a.checkpoint.files, ...opened.b.checkpoint.files]);
      if (changed !== undefined) throw new RpcError({ code: "changed", message: "the file changed while it was compared; compare again", file: changed.path });
      const document = await documentOf(comparison, { pairs, only, ...(spectra === undefined ? {} : { spectra: spectra.spectra }) });
      return { ...document, a, b, findings: [...document.findings, ...withoutSpectrum(spectra, (pair) => tensors[pairing.pairs[pair]!.a.tensor]!.name)] };
    } finally {
      unlisten();
      progress.clear();
      await comparison.dispose();
    }
  });
}

function withoutSpectrum(spectra: Spectra | undefined, name: (pair: number) => string): Compare["findings"] {
  return (spectra?.failed ?? []).map(({ pair, message }) => ({ rule: "not-analysed", severity: "info", tensor: name(pair), message: `No spectrum: ${message.replace(/\.$/, "")}.` }));
}

function spectrumMode(args: Arguments): SpectrumMode | null {
  if (!args.has("spectrum")) return null;
  const [text = "exact"] = args.values("spectrum");
  const mode = parseSpectrumMode(text);
  if (mode === null) throw new UsageError(`--spectrum=${text} is no mode: write exact, fast, or top:K with K from 1 to 4096`);
  return mode;
}

function toleranceOf(args: Arguments): number | undefined {
  const [text] = args.values("tolerance");
  if (text === undefined) return undefined;
  const tolerance = Number(text);
  if (text.trim() === "" || !(tolerance >= 0 && tolerance < Infinity)) throw new UsageError(`--tolerance ${text} is no tolerance: a number from 0`);
  return tolerance;
}
