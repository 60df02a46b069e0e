/** `merge --preview`: what the merge does to some tensors, measured without a file being written. */
import type { Engine } from "../analysis/engine";
import { Rate } from "../analysis/rate";
import { matching } from "../merge/preview/chosen";
import { measureMerge } from "../merge/preview/measure";
import { methodNamed } from "../merge/methods/registry";
import type { MergePreview, PreviewedTensor } from "../protocol/merge";
import type { Preflight } from "../protocol/results";
import { UsageError } from "./arguments";
import { number, printable, shape } from "./format";
import type { PlannedMerge } from "./merge-plan";
import { table, type Column } from "./table";
import { ProgressLine, styleFor } from "./terminal";

/** What `merge --preview --json` prints for a document. */
export interface MergePreviewDocument extends Preflight {
  /** Null for a document in which no tensor matches. */
  preview: MergePreview | null;
}

/**
 * Measures the tensors that `pattern` names, in each document.
 * @throws UsageError when it names none; PatternError; EngineError.
 */
export async function previewMerges(merges: readonly PlannedMerge[], pattern: string, engine: Engine, signal: AbortSignal): Promise<MergePreviewDocument[]> {
  const chosen = merges.map(({ plan }) => (plan === null ? [] : matching(plan.tensors, pattern)));
  if (chosen.every((tensors) => tensors.length === 0)) throw new UsageError(`the merge has no tensor ${JSON.stringify(pattern)}; globs such as "**${pattern}*" find names by part`);
  const line = new ProgressLine("measuring");
  const rate = new Rate();
  const total = chosen.flat().length;
  let done = 0;
  const documents: MergePreviewDocument[] = [];
  try {
    for (const [i, { plan, report }] of merges.entries()) {
      const tensors = chosen[i]!;
      if (plan === null || tensors.length === 0) {
        documents.push({ ...report, preview: null });
        continue;
      }
      const onMeasured = (_: PreviewedTensor | null, current: string): void => {
        rate.add(0, 1);
        const { work } = rate.perSecond();
        line.show({ done: ++done, total, bytesPerSecond: 0, secondsLeft: work > 0 ? (total - done) / work : null, current });
      };
      const preview = await measureMerge({ plan, tensors, methods: [], space: methodNamed(plan.method)?.space ?? "weight", pattern, engine, signal, onMeasured });
      documents.push({ ...report, preview });
    }
  } finally {
    line.clear();
  }
  return documents;
}

const right = (title: string): Column => ({ title, align: "right" });

/** The measurements for people. */
export function previewReport(documents: readonly MergePreviewDocument[], stream: NodeJS.WriteStream): string {
  const style = styleFor(stream);
  const cell = (value: number | null | undefined): string => (value === null || value === undefined ? "–" : number(value));
  return documents.flatMap(({ preview }) => (preview === null ? [] : [preview])).map(({ methods, inputs, space, tensors, failed }) => {
    const changes = space === "task vector";
    // The base is what the others are measured from.
    const shown = inputs.flatMap((_, i) => (tensors.some(({ inputs: indices }) => indices.includes(i)) ? [i] : []));
    const columns: Column[] = [
      { title: "tensor", align: "left" }, { title: "shape", align: "left" }, right(changes ? "‖Δ‖" : "‖W‖"), right("sign conflict"),
      ...shown.flatMap((_, i) => [right(`cos ${i + 1}`), ...(changes ? [right(`kept ${i + 1}`)] : [])]),
    ];
    const rows = tensors.map(({ name, shape: axes, results: [result], signConflict, inputs: indices }) => {
      const at = (input: number): number => indices.indexOf(input);
      return [
        printable(name), shape(axes), cell(result?.norm), cell(signConflict),
        ...shown.flatMap((input) => [cell(result?.cosine[at(input)]), ...(changes ? [cell(result?.kept[at(input)])] : [])]),
      ];
    });
    const lines = [
      `${style.bold(printable(methods[0] ?? ""))}  ${changes ? "changes from the base, " : ""}beside ${shown.map((input, i) => `${i + 1} ${printable(inputs[input]!)}`).join(", ")}`,
      ...table(columns, rows, style.faint),
      ...failed.map(({ name, message }) => `  ${style.yellow("not measured")}  ${printable(name)}: ${printable(message)}`),
    ];
    return lines.map((line) => `${line}\n`).join("");
  }).join("\n");
}
