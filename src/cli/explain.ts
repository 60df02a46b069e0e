/** `weight-loupe explain`: a model as a combination of others. */
import { dirname, join } from "node:path";
import type { NamedModel } from "../analysis/alignment";
import { explain as explainModel } from "../analysis/explain";
import { shortNames } from "../analysis/explain-sentence";
import { Rate } from "../analysis/rate";
import { readAdapter } from "../checkpoint/adapters/read-adapter";
import type { Checkpoint } from "../checkpoint/checkpoint";
import { LocalFiles } from "../checkpoint/file-source";
import { openCheckpoint } from "../checkpoint/registry";
import type { Explain, Finding } from "../protocol/results";
import { UsageError } from "./arguments";
import type { Command } from "./command";
import { withEngine } from "./engine-process";
import { Exit } from "./failure";
import { number, printable } from "./format";
import { table, type Column } from "./table";
import { ProgressLine, styleFor, type Style } from "./terminal";

export const explain: Command = {
  name: "explain",
  operands: "TARGET --with A B …",
  summary: "a model as a combination of others: least-squares coefficients per tensor and over all, and what they leave",
  options: {
    with: { value: "several", many: true, usage: "--with A B …", meaning: "the models, or adapters, to explain TARGET with" },
    base: { value: "required", usage: "--base X", meaning: "explain TARGET − X by each model − X, and by adapters' updates; says as well when TARGET − X is of low rank" },
  },
  async run(args, { json, signal, log, write }) {
    const [target, ...more] = args.operands;
    if (target === undefined) throw new UsageError("explain needs a TARGET before --with: the model's file or folder");
    if (more.length > 0) throw new UsageError(`explain takes one TARGET; what is ${JSON.stringify(more[0])}? Models to explain it with follow --with`);
    const sources = new LocalFiles();
    const opened = async (name: string): Promise<NamedModel> => ({ name, checkpoint: await openCheckpoint(name, sources) });
    const named = args.values("with");
    const [base] = args.values("base");
    if (named.length === 0 && base === undefined) throw new UsageError("explain needs --with A B …, the models to explain TARGET with, or --base X");
    const models = await Promise.all(named.map(opened));
    const under = base ?? (await ownBase(models.map(({ checkpoint }) => checkpoint), sources));
    const options = { target: await opened(target), models, sources, signal, ...(under === null ? {} : { base: await opened(under) }) };
    const found = await withEngine(log, async ({ engine }) => {
      const line = new ProgressLine("explaining");
      const rate = new Rate();
      const onProgress = (done: number, total: number, current: string): void => {
        rate.add(0, 1);
        const { work } = rate.perSecond();
        line.show({ done, total, bytesPerSecond: 0, secondsLeft: work > 0 ? (total - done) / work : null, current });
      };
      try {
        return await explainModel({ ...options, engine, onProgress });
      } finally {
        line.clear();
      }
    });
    const document: Explain = { target, ...found };
    await write(json ? `${JSON.stringify(document)}\n` : report(document, named, styleFor(process.stdout)));
    return Exit.done;
  },
};

/** The model that the adapters' configuration names, where there are nothing but adapters and it is a path that leads to one. */
async function ownBase(models: readonly Checkpoint[], sources: LocalFiles): Promise<string | null> {
  const names = new Set<string>();
  for (const checkpoint of models) {
    const file = checkpoint.files[0]?.path ?? checkpoint.path;
    if (!(await sources.exists(join(dirname(file), "adapter_config.json")))) return null;
    const adapter = await readAdapter(checkpoint, sources);
    if (adapter?.baseName == null) return null;
    for (const path of [adapter.baseName, join(dirname(file), adapter.baseName)]) {
      if (await sources.exists(path)) {
        names.add(path);
        break;
      }
    }
  }
  const [name] = names;
  return names.size === 1 ? name! : null;
}

function report({ sentence, coefficients, residual, perTensor, findings }: Explain, models: readonly string[], style: Style): string {
  const columns: Column[] = [{ title: "tensor", align: "left" }, ...models.map((name): Column => ({ title: printable(shortNames(models).get(name)!), align: "right" })), { title: "residual", align: "right" }];
  const row = (name: string, of: Record<string, number>, left: number): string[] => [printable(name), ...models.map((model) => number(of[model]!)), number(left)];
  const blocks = [
    [style.bold(printable(sentence))],
    models.length === 0 ? [] : table(columns, [row("all", coefficients, residual), ...perTensor.map((each) => row(each.name, each.coefficients, each.residual))], style.faint),
    findings.map(({ severity, tensor, message }: Finding) => `  ${severity === "info" ? "note" : severity}  ${tensor === undefined ? "" : `${printable(tensor)}: `}${printable(message)}`),
  ];
  return `${blocks.filter((block) => block.length > 0).map((block) => block.join("\n")).join("\n\n")}\n`;
}
