/** From parameters as the recipe has them to the engine's expression of one merged tensor. */
import type { Engine } from "../../analysis/engine";
import type { Expression, FloatType, MergeProfile } from "../../engine/protocol";
import type { Coefficients } from "../methods/coefficients";
import type { MergeMethodEntry } from "../methods/method";
import { methodNamed } from "../methods/registry";
import { resolveParameter, resolveParameters, type Asked } from "../methods/resolve";
import type { MergeDocument, ParameterTable } from "../recipe/recipe";
import type { Findings } from "./findings";
import type { OutlinedTensor } from "./outline";
import type { PlannedSlice } from "./layout";
import { maskSeed } from "./seeds";
import type { Present } from "./shapes";
import { WholeModelCuts } from "./cuts";
import type { StatisticsOfModels } from "./statistics";

export interface Resolved {
  shared: Record<string, number | boolean>;
  perModel: Record<string, (number | boolean | undefined)[]>;
  /** No filter of a required parameter matches, and the recipe says that the base's tensor then stays. */
  keepBase: boolean;
}

export interface KernelContext {
  document: MergeDocument;
  method: MergeMethodEntry;
  profile: MergeProfile;
  seed: number;
  /** Files of coefficients by their path as written. */
  files: ReadonlyMap<string, Coefficients>;
  statistics: StatisticsOfModels;
  engine?: Engine;
}

export interface Merged {
  entry: MergeMethodEntry;
  resolved: Resolved;
  outlined: OutlinedTensor;
  type: FloatType;
  /** The inputs without the base, and the models that they are of. */
  of: Expression[];
  others: readonly Present[];
  base: Expression | null;
}

export interface Operands {
  of: Expression[];
  base: Expression | null;
}

export class KernelMaker {
  private readonly cuts: WholeModelCuts;
  /** What was resolved where no name is looked at, by slice and place in it. */
  private readonly known = new Map<PlannedSlice, Map<string, Resolved>>();
  private readonly named = new Map<ParameterTable, boolean>();

  constructor(private readonly context: KernelContext) {
    this.cuts = new WholeModelCuts(context.engine);
  }

  /** The parameters of one tensor; null with problems where they are not known. */
  resolve(outlined: OutlinedTensor, others: readonly Present[], findings: Findings): Resolved | null {
    const { document, method } = this.context;
    const known = this.byPlace(outlined, others);
    const before = known?.places.get(known.key);
    if (before !== undefined) return before;
    const output = this.asked(outlined, outlined.name);
    const inputs = others.map(({ source, name }) => ({ ...this.asked(outlined, name, source.parameters), label: source.input.label, at: source.at }));
    const { shared, perModel, problems, keepBase } = resolveParameters({ method, at: document.method?.at ?? document.at, output, inputs, unmatched: document.unmatched?.value ?? null });
    for (const { severity, code, at, message, tensor } of problems) {
      findings.add(severity, code, at, message, { ...(tensor === undefined ? {} : { tensor }), more: (times) => `${message} (and so for ${times - 1} more tensors)` });
    }
    if (problems.some(({ severity }) => severity === "error")) return null;
    const resolved = { shared, perModel, keepBase };
    known?.places.set(known.key, resolved);
    return resolved;
  }

  /** The parameters of another method as far as the recipe has them, the middle of the way where it does not. */
  resolveLoosely(entry: MergeMethodEntry, outlined: OutlinedTensor, others: readonly Present[]): Resolved {
    const resolved: Resolved = { shared: {}, perModel: {}, keepBase: false };
    for (const parameter of entry.parameters) {
      const take = (asked: Asked): number | boolean => {
        const found = resolveParameter(parameter, asked);
        return found.kind === "value" ? found.value : parameter.name === "weight" ? 1 : 0.5;
      };
      if (parameter.scope === "global") resolved.shared[parameter.name] = take(this.asked(outlined, outlined.name));
      else if (parameter.required || parameter.default !== null) resolved.perModel[parameter.name] = others.map(({ source, name }) => take(this.asked(outlined, name, source.parameters)));
    }
    return resolved;
  }

  /** @throws Error when there is no such method. */
  other(name: string): MergeMethodEntry {
    const entry = methodNamed(name);
    if (entry === undefined) throw new Error(`there is no merge method ${name}`);
    return entry;
  }

  /** Told of each tensor that is merged, before any is read: a trim over whole models has to know them all. */
  note({ name }: OutlinedTensor, others: readonly Present[], { perModel }: Resolved, type: FloatType, operands: (signal?: AbortSignal) => Promise<Operands>): void {
    const { profile, method } = this.context;
    if (profile !== "paper" || method.name !== "ties") return;
    others.forEach(({ source }, i) => {
      const density = perModel.density?.[i];
      if (typeof density === "number") this.cuts.note({ tensor: name, input: source.input.index, density, type, operands, position: i });
    });
  }

  async expression({ entry, resolved: { shared, perModel }, outlined, type, of, others, base }: Merged, signal?: AbortSignal): Promise<Expression> {
    const { profile, seed, statistics } = this.context;
    if (entry.statistics === "gram") {
      const solved = statistics.regmean(outlined, others, of, shared.alpha as number, type);
      if (solved !== null) return solved;
    }
    const method = entry.kernel({ inputs: of.length, shared, perModel, profile, seed: (input) => maskSeed(seed, outlined.name, others[input]!.source.input.label) });
    if (profile === "paper" && entry.name === "ties" && method.name === "taskVectors" && method.sparsify?.kind === "magnitude") {
      const cuts = await Promise.all(method.sparsify.densities.map((density, i) => this.cuts.cut(others[i]!.source.input.index, density, type, signal)));
      if (cuts.every((cut) => cut !== null)) method.sparsify = { ...method.sparsify, cuts };
    }
    const weighed = entry.statistics === "fisher" ? [...of, ...statistics.fisher(outlined, others)] : of;
    return { kind: "merge", method, profile, dtype: type, of: weighed, ...(base === null ? {} : { base }) };
  }

  /** Tensors of one place in a slice have the same parameters, unless some are told by name. */
  private byPlace({ slice, module, position }: OutlinedTensor, others: readonly Present[]): { places: Map<string, Resolved>; key: string } | null {
    if ([slice.parameters, module.parameters, this.context.document.parameters].some((table) => this.tellsNames(table)) || others.some(({ source }) => this.tellsNames(source.parameters))) return null;
    let places = this.known.get(slice);
    if (places === undefined) this.known.set(slice, (places = new Map<string, Resolved>()));
    return { places, key: `${position} ${others.map(({ source }) => source.input.index).join(" ")}` };
  }

  private tellsNames(table: ParameterTable): boolean {
    let tells = this.named.get(table);
    if (tells === undefined) this.named.set(table, (tells = Object.values(table).some(({ value }) => value.kind === "filters" || value.kind === "file")));
    return tells;
  }

  private asked({ position, slice, module }: OutlinedTensor, tensor: string, own?: ParameterTable): Asked {
    const { document, files } = this.context;
    const levels = [slice.parameters, module.parameters, document.parameters];
    return { tensor, position, levels: own === undefined ? levels : [own, ...levels], files };
  }
}
