/** A document's body as modules of slices of models, whichever form it was written in: ranges checked, the base where the form adds it. */
import { quote } from "../../checkpoint/quote";
import type { MergeMethodEntry } from "../methods/method";
import { valueAt, type ModuleOfModel } from "../models/architecture";
import { mainStack, type MergeModel, type ModelTensor } from "../models/model";
import type { Place } from "../problem";
import type { Body, Input, Located, MergeDocument, ModelReference, ParameterTable, Slice } from "../recipe/recipe";
import type { Findings } from "./findings";
import { labelOf, type Inputs, type OpenedInput } from "./inputs";

export interface PlannedSource {
  input: OpenedInput;
  /** Its layers, half open. */
  range: readonly [number, number];
  base: boolean;
  parameters: ParameterTable;
  /** Of what it says of the model; of the base's name where the form adds it. */
  at: Place;
  statistics: Located<string> | null;
  /** Whether the recipe says which layers. */
  ranged: boolean;
}

export interface PlannedSlice {
  sources: readonly PlannedSource[];
  parameters: ParameterTable;
  at: Place;
  /** Layers in the output. */
  layers: number;
  /** Taken as it is, whatever the method. */
  kept?: true;
}

export interface PlannedModule {
  module: ModuleOfModel;
  slices: readonly PlannedSlice[];
  parameters: ParameterTable;
  /** Whether the recipe says itself which layers go where. */
  sliced: boolean;
}

const NONE: ParameterTable = Object.freeze(Object.create(null) as ParameterTable);

/** @returns the modules; with errors in `findings`, those that are understood. */
export function layOut(document: MergeDocument, method: MergeMethodEntry, inputs: Inputs, findings: Findings): PlannedModule[] {
  const { body } = document;
  if (body === null) return [];
  const leading = leadingModel(document, inputs);
  if (leading === null) return [];
  const known = leading.family.modules;
  const layout = new Layout(document, method, inputs, findings);
  if (body.form !== "modules") {
    if (body.form === "slices" && known.length > 1) {
      const names = known.map(({ name }) => name).join(", ");
      findings.error("slices-of-modules", body.at, `slices are of models with one stack of layers, and this one has several modules (${names}); write them under modules`);
      return [];
    }
    return known.map((module) => layout.module(module, body, NONE)).filter((module) => module !== null);
  }
  const modules: PlannedModule[] = [];
  for (const { name, body: own, parameters } of body.modules) {
    const module = known.find((each) => each.name === name.value);
    if (module === undefined) {
      const names = known.map((each) => quote(each.name)).join(", ");
      findings.error("unknown-module", name.at, `${leading.architecture ?? "the model"} has no module called ${quote(name.value)}; its modules: ${names}`);
      continue;
    }
    const planned = layout.module(module, own, parameters);
    if (planned !== null) modules.push(planned);
  }
  if (!findings.hasErrors) for (const module of known) if (!body.modules.some(({ name }) => name.value === module.name)) modules.push(...layout.leftOut(module, body.at));
  return modules;
}

/** The model whose modules and configuration count: the base, else the first that is named. */
export function leadingModel(document: MergeDocument, inputs: Inputs): MergeModel | null {
  const base = document.base === null ? undefined : inputs.get(labelOf(document.base.value));
  return (base ?? [...inputs.values()].find((each) => each !== null))?.model ?? null;
}

/** The number of layers of a module in a model: what the configuration says, or what the names show where that is more. */
export function layersOf(model: MergeModel, module: ModuleOfModel): number {
  const told = module.layerCount === undefined ? undefined : valueAt(model.config, module.layerCount);
  const shown = mainStack(tensorsOf(model, module))?.layers ?? 0;
  return Math.max(shown, typeof told === "number" && Number.isSafeInteger(told) ? told : 0);
}

const owned = new WeakMap<MergeModel, Map<string, ModelTensor[]>>();

/** The tensors of one of a model's modules. */
export function tensorsOf(model: MergeModel, module: ModuleOfModel): readonly ModelTensor[] {
  let modules = owned.get(model);
  if (modules === undefined) owned.set(model, (modules = new Map<string, ModelTensor[]>()));
  let tensors = modules.get(module.name);
  if (tensors === undefined) {
    const all = model.family.modules;
    tensors = [...model.tensors.values()].filter(({ name }) => (all.length === 1 ? true : (all.find((each) => each.owns(name)) ?? all.at(-1))?.name === module.name));
    modules.set(module.name, tensors);
  }
  return tensors;
}

class Layout {
  constructor(
    private readonly document: MergeDocument,
    private readonly method: MergeMethodEntry,
    private readonly inputs: Inputs,
    private readonly findings: Findings,
  ) {}

  module(module: ModuleOfModel, body: Exclude<Body, { form: "modules" }>, parameters: ParameterTable): PlannedModule | null {
    const slices = body.form === "models" ? [this.wholeModels(module, body)] : body.slices.map((slice) => this.slice(module, slice));
    if (slices.some((slice) => slice === null) || slices.length === 0) return null;
    return { module, slices: slices.filter((slice) => slice !== null), parameters, sliced: body.form === "slices" };
  }

  /** A module that the recipe leaves out: the base's, so that the output is a whole model. */
  leftOut(module: ModuleOfModel, at: Place): PlannedModule[] {
    const base = this.document.base === null ? null : (this.inputs.get(labelOf(this.document.base.value)) ?? null);
    if (base === null) {
      this.findings.error("module-left-out", at, `modules leaves out ${quote(module.name)}, without which the output is no whole model; add it`);
      return [];
    }
    if (tensorsOf(base.model, module).length === 0) return [];
    this.findings.warn("module-left-out", at, `modules leaves out ${quote(module.name)}: it is taken from the base`);
    const layers = layersOf(base.model, module);
    const source: PlannedSource = { input: base, range: [0, layers], base: true, parameters: NONE, at, statistics: null, ranged: false };
    return [{ module, slices: [{ sources: [source], parameters: NONE, at, layers, kept: true }], parameters: NONE, sliced: false }];
  }

  /** The models form: all layers of every model, and the base with them. */
  private wholeModels(module: ModuleOfModel, { inputs, at }: Extract<Body, { form: "models" }>): PlannedSlice | null {
    const base = this.document.base;
    const sources = inputs.map((input) => this.source(input, base, module));
    if (base !== null && !inputs.some(({ model }) => labelOf(model.value) === labelOf(base.value))) {
      const input = this.inputs.get(labelOf(base.value)) ?? null;
      sources.push(input === null ? null : { input, range: [0, layersOf(input.model, module)], base: true, parameters: NONE, at: base.at, statistics: null, ranged: false });
    }
    return this.checked(sources, at, NONE);
  }

  private slice(module: ModuleOfModel, slice: Slice): PlannedSlice | null {
    const base = slice.base ?? this.document.base;
    return this.checked(slice.sources.map((input) => this.source(input, base, module)), slice.at, slice.parameters);
  }

  private source({ model, layerRange, parameters, statistics }: Input, base: Located<ModelReference> | null, module: ModuleOfModel): PlannedSource | null {
    const input = this.inputs.get(labelOf(model.value));
    if (input === undefined || input === null) return null;
    const layers = layersOf(input.model, module);
    const range = layerRange?.value ?? [0, layers];
    if (layerRange !== null) {
      const [start, stop] = range;
      const has = layers === 1 ? "1 layer" : `${layers} layers`;
      if (stop <= start) return null;
      if (start < 0 || stop > layers) {
        this.findings.error("layer-range-outside", layerRange.at, `the layer range [${start}, ${stop}] goes outside of ${input.label}, which has ${has} (0 to ${layers - 1}; a range stops before its second number)`);
        return null;
      }
    }
    return { input, range: [range[0], range[1]], base: base !== null && labelOf(base.value) === labelOf(model.value), parameters, at: model.at, statistics, ranged: layerRange !== null };
  }

  /**
   * The slice; null where it cannot be planned. What the text alone tells (models named twice, their number, a base that is missing) is told
   * by whoever reads it.
   */
  private checked(found: readonly (PlannedSource | null)[], at: Place, parameters: ParameterTable): PlannedSlice | null {
    const sources = found.filter((source) => source !== null);
    const [first] = sources;
    if (first === undefined || sources.length !== found.length) return null;
    const layers = first.range[1] - first.range[0];
    for (const source of sources) {
      const own = source.range[1] - source.range[0];
      if (own === layers) continue;
      // Ranges are in the text.
      if (!source.ranged || !first.ranged) this.findings.error("slice-lengths", source.at, `models must bring equally many layers: ${source.input.label} brings ${own}, ${first.input.label} ${layers}; say which with slices and layer_range`);
      return null;
    }
    const counted = this.method.base === "unused" ? sources : sources.filter((source) => !source.base);
    const { min, max } = this.method.models;
    const alone = counted.length === 0 && this.method.baseAlone;
    const fits = (alone || counted.length >= min) && (max === null || counted.length <= max) && (this.method.base !== "required" || counted.length < sources.length);
    return fits && new Set(sources.map(({ input }) => input)).size === sources.length ? { sources, parameters, at, layers } : null;
  }
}
