/**
 * Methods that weigh models by statistics of their data: Fisher information of the shape of each tensor, and Gram matrices of the inputs of each
 * linear layer, in files whose tensors are called like the model's.
 */
import { CheckpointError } from "../../checkpoint/checkpoint";
import { bracketed, compute, fill, hadamard, identity, inverse, product, scale } from "../../checkpoint/adapters/build";
import { quote } from "../../checkpoint/quote";
import type { Expression, FloatType } from "../../engine/protocol";
import { locateModel } from "../models/locate";
import type { MergeModel } from "../models/model";
import { expressionOf } from "../../analysis/readable";
import type { Findings } from "./findings";
import type { Opening } from "./inputs";
import type { PlannedModule, PlannedSource } from "./layout";
import type { OutlinedTensor } from "./outline";
import { sameShape, type Present } from "./shapes";

/** Tensors of a model's file by name. */
type Statistics = ReadonlyMap<string, { shape: readonly number[]; expression: Expression }>;

export class StatisticsOfModels {
  private readonly files = new Map<MergeModel, Statistics>();
  /** Files that are read. */
  readonly models: MergeModel["files"][number][] = [];

  /** Reads the headers of all files that the sources name; what cannot be read is a problem there. */
  async open(modules: readonly PlannedModule[], findings: Findings, { options, sources, store, signal }: Opening): Promise<void> {
    for (const source of modules.flatMap(({ slices }) => slices.flatMap((slice) => slice.sources))) {
      const { statistics, input } = source;
      if (statistics === null || this.files.has(input.model)) continue;
      const found = await locateModel(statistics.value, options, sources);
      if (!("path" in found)) {
        findings.error("missing-statistics", statistics.at, `there is no file ${quote(statistics.value)}, which should hold the statistics of ${input.label}`);
        continue;
      }
      try {
        const checkpoint = await store.checkpoint(found.path);
        const tensors = new Map<string, { shape: readonly number[]; expression: Expression }>();
        for (const tensor of checkpoint.tensors) tensors.set(tensor.name, { shape: tensor.shape, expression: await expressionOf(tensor, checkpoint.files[tensor.file]!.path, signal) });
        this.files.set(input.model, tensors);
        this.models.push(...checkpoint.files);
      } catch (error) {
        if (!(error instanceof CheckpointError)) throw error;
        findings.error("unreadable-statistics", statistics.at, `the statistics of ${input.label} cannot be read: ${quote(error.file)}: ${error.message}`);
      }
    }
  }

  /** Whether the statistics of a tensor are there and fit it; problems where they are not. */
  check(kind: "fisher" | "gram", { name }: OutlinedTensor, others: readonly Present[], findings: Findings): boolean {
    let fits = true;
    for (const { source, tensor } of others) {
      const file = this.files.get(source.input.model);
      if (file === undefined) continue;
      const found = this.of(source, tensor.name, kind);
      const at = source.statistics?.at ?? source.at;
      const wanted = kind === "fisher" ? tensor.shape : [tensor.shape[1]!, tensor.shape[1]!];
      if (found === undefined) {
        if (kind === "gram") continue;
        findings.error("missing-statistics", at, `the statistics of ${source.input.label} have no tensor ${tensor.name}`, { tensor: name, more: (times) => `the statistics of ${source.input.label} have no tensor ${tensor.name} and ${times - 1} more that the model has` });
        fits = false;
      } else if (!sameShape(found.shape, wanted)) {
        findings.error("statistics-shape", at, `the statistics of ${tensor.name} have the shape ${bracketed(found.shape)} in the file of ${source.input.label}, not ${bracketed(wanted)}`, { tensor: name });
        fits = false;
      }
    }
    return fits;
  }

  /** Fisher information, in the order of the inputs. */
  fisher(_: OutlinedTensor, others: readonly Present[]): Expression[] {
    return others.map(({ source, tensor }) => this.of(source, tensor.name, "fisher")!.expression);
  }

  /**
   * W = (Σ Wᵢ Gᵢ)(Σ Gᵢ)⁻¹, Gᵢ symmetric with its elements off the diagonal times α: the W whose outputs come nearest to all models' on their
   * own inputs. Null for a tensor that is no matrix or has no Gram matrix for some input.
   */
  regmean({ name }: OutlinedTensor, others: readonly Present[], of: readonly Expression[], alpha: number, dtype: FloatType): Expression | null {
    const grams = others.map(({ source, tensor }) => (tensor.shape.length === 2 ? this.of(source, tensor.name, "gram") : undefined));
    if (!name.endsWith("weight") || grams.some((gram) => gram === undefined)) return null;
    const reduced = grams.map((gram) => {
      const n = gram!.shape[0]!;
      return hadamard(gram!.expression, compute({ name: "add" }, fill([n, n], alpha), scale(identity(n), 1 - alpha)));
    });
    const add = (sum: Expression, next: Expression): Expression => compute({ name: "add" }, sum, next);
    const weighed = of.map((weight, i) => product(weight, reduced[i]!)).reduce(add);
    return { kind: "cast", of: product(weighed, inverse(reduced.reduce(add))), dtype };
  }

  /** Gram matrices may go by the module's name. */
  private of({ input }: PlannedSource, tensor: string, kind: "fisher" | "gram"): { shape: readonly number[]; expression: Expression } | undefined {
    const file = this.files.get(input.model);
    return file?.get(tensor) ?? (kind === "gram" ? file?.get(tensor.replace(/\.weight$/, "")) : undefined);
  }
}
