/** Reads what is merged: models, slices or modules. */
import { isMap, isSeq, type Node } from "yaml";
import { quote } from "../../checkpoint/quote";
import { emptyTable, readParameters } from "./parameter-values";
import { kindOf, type Reader } from "./reader";
import type { Body, Input, Located, ModelReference, ParameterTable, Slice } from "./recipe";
import { numberFromText } from "./scalar";

type Simple = Exclude<Body, { form: "modules" }>;

/** `key` is where the form is named. */
export function readModels(reader: Reader, node: Node | null, key: Node): Simple | null {
  const items = reader.items(node, "models");
  return items === null ? null : { form: "models", at: reader.place(key), inputs: items.flatMap((item) => readInput(reader, item, false) ?? []) };
}

export function readSlices(reader: Reader, node: Node | null, key: Node): Simple | null {
  const items = reader.items(node, "slices");
  return items === null ? null : { form: "slices", at: reader.place(key), slices: items.flatMap((item) => readSlice(reader, item) ?? []) };
}

export function readModules(reader: Reader, node: Node | null, key: Node): Body | null {
  const map = reader.resolve(node);
  if (!isMap(map)) return reader.error("not-a-mapping", node, `modules should be a mapping of a module's name to its slices or models, not ${kindOf(map)}`);
  const modules: Extract<Body, { form: "modules" }>["modules"] = [];
  for (const { key: name, value } of reader.entries(map)) {
    const text = reader.text(name, "a module's name");
    if (text === null) continue;
    const forms: { body: Simple | null; key: Node }[] = [];
    let parameters: ParameterTable = emptyTable();
    const read = reader.fields(value, `the module ${quote(text.value)}`, {
      models: (list, key) => absent(reader, list) || forms.push({ body: readModels(reader, list, key), key }),
      slices: (list, key) => absent(reader, list) || forms.push({ body: readSlices(reader, list, key), key }),
      parameters: (table) => (parameters = readParameters(reader, table)),
    });
    if (!read) continue;
    if (forms.length === 0) reader.error("no-inputs", name, `the module ${quote(text.value)} has neither models nor slices`);
    if (forms.length > 1) reader.error("several-forms", forms[1]!.key, `the module ${quote(text.value)} has both models and slices; keep one`);
    const body = forms[0]?.body;
    if (body != null) modules.push({ name: text, body, parameters });
  }
  return { form: "modules", at: reader.place(key), modules };
}

/** An empty list counts as none, as in mergekit. */
export function absent(reader: Reader, node: Node | null): boolean {
  const list = reader.resolve(node);
  return reader.empty(node) || (isSeq(list) && list.items.length === 0) || (isMap(list) && list.items.length === 0);
}

function readInput(reader: Reader, node: Node, sliced: boolean): Input | null {
  let model: Located<ModelReference> | null | undefined;
  let layerRange: Located<[number, number]> | null | undefined;
  let parameters = emptyTable();
  let statistics: Located<string> | null = null;
  const read = reader.fields(
    node,
    sliced ? "a source" : "a model",
    {
      model: (value) => (model = reader.model(value, "model")),
      ...(sliced ? { layer_range: (value: Node | null) => (layerRange = readRange(reader, value)) } : {}),
      parameters: (value) => (parameters = readParameters(reader, value)),
      statistics: (value) => (statistics = reader.text(value, "statistics")),
    },
    (name) => (name === "layer_range" ? "layer_range is for the sources of slices; under models all layers are merged and it is ignored" : misplaced(name)),
  );
  if (!read) return null;
  if (model === undefined) return reader.error("missing-key", node, `${sliced ? "a source" : "an entry of models"} needs "model", the model's path`);
  if (sliced && layerRange === undefined) reader.error("missing-key", node, 'a source of a slice needs "layer_range", such as [0, 16]');
  return model === null ? null : { at: reader.place(node), model, layerRange: layerRange ?? null, parameters, statistics };
}

/** What is said of a parameter that stands beside `parameters` instead of under it. */
export function misplaced(name: string): string | undefined {
  const parameters = ["weight", "density", "t", "normalize", "rescale", "lambda", "gamma", "epsilon", "scale", "int8_mask", "select_topk", "filter_wise"];
  return parameters.includes(name) ? `${name} is a parameter: it stands under "parameters" and is ignored here` : undefined;
}

function readRange(reader: Reader, node: Node | null): Located<[number, number]> | null {
  const list = reader.resolve(node);
  const wrong = (): null => reader.error("layer-range", node, "layer_range is a pair of whole numbers [first, end], the end not included, such as [0, 16]");
  if (!isSeq(list) || list.items.length !== 2) return wrong();
  const [start, stop] = (list.items as Node[]).map((item) => {
    const value = reader.plain(item);
    return typeof value === "string" ? numberFromText(value) : value;
  });
  if (typeof start !== "number" || typeof stop !== "number" || !Number.isSafeInteger(start) || !Number.isSafeInteger(stop)) return wrong();
  if (start < 0) return reader.error("layer-range", node, "layer_range counts layers from 0; a negative number has no meaning");
  if (stop <= start) return reader.error("layer-range", node, `layer_range [${start}, ${stop}] holds no layer; the end comes after the last layer, so [${start}, ${start + 1}] is layer ${start}`);
  return { value: [start, stop], at: reader.place(node) };
}

function readSlice(reader: Reader, node: Node): Slice | null {
  let sources: Node[] | null | undefined;
  let base: Located<ModelReference> | null = null;
  let parameters = emptyTable();
  const read = reader.fields(node, "a slice", {
    sources: (value, key) => (sources = absent(reader, value) ? reader.error("no-inputs", key, "a slice needs at least one source") : reader.items(value, "sources")),
    base_model: (value) => reader.empty(value) || (base = reader.model(value, "base_model")),
    residual_weight: (_, key) => reader.report("warning", "ignored-key", key, "residual_weight does nothing, in mergekit neither; leave it out"),
    parameters: (value) => (parameters = readParameters(reader, value)),
  });
  if (!read) return null;
  if (sources === undefined) return reader.error("missing-key", node, 'a slice needs "sources", a list of models with their layer_range');
  return sources === null ? null : { at: reader.place(node), sources: sources.flatMap((item) => readInput(reader, item, true) ?? []), base, parameters };
}
