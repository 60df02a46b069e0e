/** `weight-loupe rank`: how much of an adapter's rank is used, and which ranks would do. */
import { rankUsage } from "../analysis/rank-usage";
import { DEFAULT_ENERGY, type RankTarget } from "../protocol/rank-suggestion";
import { Rate } from "../analysis/rate";
import { LocalFiles } from "../checkpoint/file-source";
import { openCheckpoint } from "../checkpoint/registry";
import type { RankModule, RankUsage } from "../protocol/rank";
import { UsageError, type Arguments } from "./arguments";
import type { Command } from "./command";
import { withEngine } from "./engine-process";
import { Exit } from "./failure";
import { count, integer, number, printable, shape } from "./format";
import { table, type Column } from "./table";
import { ProgressLine, styleFor, type Style } from "./terminal";

export const rank: Command = {
  name: "rank",
  operands: "ADAPTER",
  summary: "how much of an adapter's rank its updates use, and which ranks would do; or of a fine-tuned model against --base",
  options: {
    base: { value: "required", many: true, usage: "--base BASE", meaning: "the model that ADAPTER was trained on (several for a U-Net and its text encoders); needed where updates depend on its weights, and for a whole model" },
    energy: { value: "required", usage: "--energy SHARE", meaning: `suggest the ranks that keep this share of Σσ² (default ${DEFAULT_ENERGY})` },
    budget: { value: "required", usage: "--budget R", meaning: "suggest how to share R ranks in all among the modules, by EVA's rule on the spectra of ΔW" },
  },
  async run(args, { json, signal, log, write }) {
    const [file, ...more] = args.operands;
    if (file === undefined) throw new UsageError("rank needs an ADAPTER: its file or folder");
    if (more.length > 0) throw new UsageError(`rank takes one ADAPTER; what is ${JSON.stringify(more[0])}?`);
    const target = targetOf(args);
    const named = args.values("base");
    const sources = new LocalFiles();
    const checkpoint = await openCheckpoint(file, sources);
    const bases = await Promise.all(named.map((base) => openCheckpoint(base, sources)));
    const usage = await withEngine(log, async ({ engine }) => {
      const line = new ProgressLine("analysing");
      const rate = new Rate();
      const onProgress = (done: number, total: number, current: string): void => {
        rate.add(0, 1);
        const { work } = rate.perSecond();
        line.show({ done, total, bytesPerSecond: 0, secondsLeft: work > 0 ? (total - done) / work : null, current });
      };
      try {
        return await rankUsage({ checkpoint, sources, engine, target, signal, onProgress, bases });
      } finally {
        line.clear();
      }
    });
    const document: RankUsage = { path: file, ...usage, base: named[0] ?? usage.base };
    await write(json ? `${JSON.stringify(document)}\n` : report(document, styleFor(process.stdout)));
    return Exit.done;
  },
};

function targetOf(args: Arguments): RankTarget {
  const [energy] = args.values("energy");
  const [budget] = args.values("budget");
  if (energy !== undefined && budget !== undefined) throw new UsageError("--energy and --budget are two ways to choose ranks; give one");
  if (budget !== undefined) {
    const ranks = Number(budget);
    if (!/^\d+$/.test(budget) || ranks < 1 || !Number.isSafeInteger(ranks)) throw new UsageError(`--budget ${budget} is no number of ranks`);
    return { budget: ranks };
  }
  if (energy === undefined) return { energy: DEFAULT_ENERGY };
  const share = Number(energy);
  if (energy.trim() === "" || !(share > 0 && share <= 1)) throw new UsageError(`--energy ${energy} is no share: a number above 0, up to 1`);
  return { energy: share };
}

const COLUMNS: Column[] = [
  { title: "module", align: "left" },
  { title: "shape", align: "left" },
  ...["rank", "used .9", ".95", ".99", "unused", "suggested", "stable rank", "eff. rank", "‖ΔW‖", "‖ΔW‖/‖W‖"].map((title): Column => ({ title, align: "right" })),
];

function report({ path, type, base, modules, suggestion, findings }: RankUsage, style: Style): string {
  const { parametersNow, parametersThen } = suggestion;
  const share = parametersNow > 0 ? `, ${((100 * parametersThen) / parametersNow).toPrecision(3)} %` : "";
  const blocks = [
    [`${style.bold(printable(path))}  ${printable(type)}${base === null ? "" : ` · base ${printable(base)}`} · ${modules.length} ${modules.length === 1 ? "matrix" : "matrices"}`],
    table(COLUMNS, modules.map(row), style.faint),
    [`  suggested ranks: ${count(parametersThen)} parameters of ${count(parametersNow)}${share}`],
    findings.map(({ severity, tensor, message }) => `  ${severity === "info" ? "note" : severity}  ${tensor === undefined ? "" : `${printable(tensor)}: `}${printable(message)}`),
  ];
  return `${blocks.filter((block) => block.length > 0).map((block) => block.join("\n")).join("\n\n")}\n`;
}

function row({ module, tensor, expert, shape: axes, rank, spectrum, unused, suggestedRank, deltaNorm, relativeNorm }: RankModule): string[] {
  const name = tensor === `${module}.weight` ? module : tensor;
  const { energyRank, stableRank, effectiveRank } = spectrum;
  return [
    printable(expert === undefined ? name : `${name}[${expert}]`),
    shape(axes),
    rank === null ? "" : integer(rank),
    ...[energyRank["0.9"], energyRank["0.95"], energyRank["0.99"]].map(integer),
    rank === null ? "" : integer(unused),
    integer(suggestedRank),
    ...[stableRank, effectiveRank, deltaNorm].map(number),
    relativeNorm === undefined ? "" : number(relativeNorm),
  ];
}
