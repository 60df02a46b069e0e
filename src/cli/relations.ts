/** `weight-loupe relations`: how fine-tuned models of one base lie to each other. */
import type { NamedModel } from "../analysis/alignment";
import { shortNames } from "../analysis/explain-sentence";
import { relations as relate } from "../analysis/relations";
import { Rate } from "../analysis/rate";
import { LocalFiles } from "../checkpoint/file-source";
import { openCheckpoint } from "../checkpoint/registry";
import type { Finding, Relations, RelationsOfTensor } from "../protocol/results";
import { UsageError } from "./arguments";
import type { Command } from "./command";
import { withEngine } from "./engine-process";
import { Exit } from "./failure";
import { number, printable } from "./format";
import { table, type Column } from "./table";
import { ProgressLine, styleFor, type Style } from "./terminal";

export const relations: Command = {
  name: "relations",
  operands: "BASE X Y …",
  summary: "how fine-tuned models of one base lie to each other: cosines of their task vectors, sign conflicts, overlap of what changed, each in terms of the others",
  options: {},
  async run(args, { json, signal, log, write }) {
    const [base, ...named] = args.operands;
    if (base === undefined || named.length < 2) throw new UsageError("relations needs a BASE and two or more models or adapters that were made from it");
    const sources = new LocalFiles();
    const opened = async (name: string): Promise<NamedModel> => ({ name, checkpoint: await openCheckpoint(name, sources) });
    const [from, models] = [await opened(base), await Promise.all(named.map(opened))];
    const document = await withEngine(log, async ({ engine }) => {
      const line = new ProgressLine("relating");
      const rate = new Rate();
      const onProgress = (done: number, total: number, current: string): void => {
        rate.add(0, 1);
        const { work } = rate.perSecond();
        line.show({ done, total, bytesPerSecond: 0, secondsLeft: work > 0 ? (total - done) / work : null, current });
      };
      try {
        return await relate({ base: from, models, sources, engine, signal, onProgress });
      } finally {
        line.clear();
      }
    });
    await write(json ? `${JSON.stringify(document)}\n` : report(document, styleFor(process.stdout)));
    return Exit.done;
  },
};

const right = (title: string): Column => ({ title, align: "right" });

function report(document: Relations, style: Style): string {
  const { models, norms, relative, changed, cosine, conflicts, overlap, explained, findings, sentence, tensors } = document;
  const short = shortNames(models);
  const names = models.map((name) => printable(short.get(name)!));
  const cell = (value: number | null): string => (value === null ? "–" : number(value));
  const matrix = (title: string, of: (number | null)[][]): string[] => table([{ title, align: "left" }, ...names.map(right)], of.map((row, i) => [names[i]!, ...row.map(cell)]), style.faint);
  const blocks = [
    [style.bold(printable(sentence))],
    table([{ title: "model", align: "left" }, ...["‖τ‖", "‖τ‖/‖base‖", "changed"].map(right)], names.map((name, i) => [name, number(norms[i]!), number(relative[i]!), number(changed[i]!)]), style.faint),
    matrix("cosine", cosine),
    matrix("sign conflicts", conflicts),
    matrix("overlap", overlap),
    table([{ title: "τ of", align: "left" }, ...names.map(right), right("residual")], explained.map(({ model, coefficients, residual }) => [printable(short.get(model)!), ...models.map((name) => (name === model ? "" : number(coefficients[name]!))), number(residual)]), style.faint),
    table([{ title: "tensor", align: "left" }, right("sign conflict"), ...names.map((name) => right(`‖τ‖ ${name}`))], tensors.map((tensor: RelationsOfTensor) => [printable(tensor.name), cell(tensor.signConflict), ...tensor.norms.map(number)]), style.faint),
    findings.map(({ severity, tensor, message }: Finding) => `  ${severity === "info" ? "note" : severity}  ${tensor === undefined ? "" : `${printable(tensor)}: `}${printable(message)}`),
  ];
  return `${blocks.filter((block) => block.length > 0).map((block) => block.join("\n")).join("\n\n")}\n`;
}
