/** From a checkpoint to the adapter that it holds: finds the configuration, asks the family, checks the answer. */
import { dirname, join } from "node:path";
import { CheckpointError, type Checkpoint, type SourceOpener } from "../checkpoint";
import { JsonReader, type Json } from "../json-reader";
import { grouped, quote } from "../quote";
import type { Adapter, AdapterModule, AdapterSource, FamilyReader } from "./adapter";
import { BaseModel } from "./base-model";
import { bracketed, shapeOf, ShapeMismatch } from "./build";
import { families, layouts } from "./families";
import { baseName } from "./peft-names";
import { replacedTensors } from "./replaced-tensors";
import { isFusedS2ft, s2ft } from "./s2ft";

/** AdaLoRA and EVA list choices per module in it: tens of kilobytes for large models. */
const MAX_CONFIG_BYTES = 4 << 20;

/**
 * The adapter in `checkpoint`; null when it is a model of its own.
 * @param options.base the model it was trained on, or several (U-Net and text encoders): needed where ΔW depends on its weights,
 *   and for the names of kohya's files, which spell modules with underscores.
 * @param options.task of adapters that have an update per task, which one; the first by default.
 * @throws CheckpointError when the adapter's type is unknown, or its factors do not fit each other.
 */
export async function readAdapter(
  checkpoint: Checkpoint,
  sources: SourceOpener,
  { base, task }: { base?: Checkpoint | readonly Checkpoint[]; task?: number } = {},
): Promise<Adapter | null> {
  const bases = base === undefined ? [] : "tensors" in base ? [base] : base;
  const given = bases.length === 0 ? {} : { base: new BaseModel(bases) };
  const config = await peftConfig(checkpoint, sources);
  if (config === null) return withoutConfiguration(checkpoint, sources, given);
  const type = config.peft_type;
  const path = checkpoint.path;
  if (typeof type !== "string") throw new CheckpointError("malformed", "the adapter's configuration has no \"peft_type\"", path, { key: "peft_type" });
  const reader = families.get(type);
  if (reader === undefined) throw new CheckpointError("unsupported", `adapters of PEFT's type ${quote(type)} cannot be read`, path, { key: "peft_type" });
  const baseModel = typeof config.base_model_name_or_path === "string" ? config.base_model_name_or_path : null;
  if (typeof reader === "string") return { type, baseName: baseModel, notMergeable: reader, modules: [] };
  const source: AdapterSource = { checkpoint: await withLoaded(checkpoint), sources, config, ...given, ...(task === undefined ? {} : { task }) };
  return answer(source, type, baseModel, reader, (modules) => replacedTensors(source, type, modules));
}

/** Layouts without a PEFT configuration, by the names of their tensors. */
async function withoutConfiguration(checkpoint: Checkpoint, sources: SourceOpener, given: Pick<AdapterSource, "base">): Promise<Adapter | null> {
  const layout = layouts.find(({ matches }) => matches(checkpoint));
  if (layout === undefined) {
    const whole = { checkpoint, sources, config: {}, ...given };
    return (await isFusedS2ft(whole)) ? answer(whole, "S2FT", null, s2ft, () => Promise.resolve([])) : null;
  }
  const config = layout.configuration === undefined ? {} : await configurationBeside(checkpoint, layout.configuration, sources);
  const adapter = await answer({ checkpoint: await withLoaded(checkpoint), sources, config, ...given }, layout.type, null, layout.read, () => Promise.resolve([]));
  // A file may mix algorithms; it is named after the most frequent.
  const counts = new Map<string, number>();
  for (const { type } of adapter.modules) counts.set(type, (counts.get(type) ?? 0) + 1);
  const [most] = [...counts].sort(([, x], [, y]) => y - x);
  return { ...adapter, type: most?.[0] ?? adapter.type };
}

async function configurationBeside(checkpoint: Checkpoint, name: string, sources: SourceOpener): Promise<{ [key: string]: Json }> {
  const path = join(dirname(checkpoint.files[0]?.path ?? checkpoint.path), name);
  return (await sources.exists(path)) ? readJsonObject(path, sources) : {};
}

async function answer(
  source: AdapterSource,
  type: string,
  baseModel: string | null,
  reader: FamilyReader,
  more: (modules: AdapterModule[]) => Promise<AdapterModule[]>,
): Promise<Adapter> {
  try {
    const read = await reader(source);
    if (!Array.isArray(read)) return { type, baseName: baseModel, notMergeable: read.notMergeable, modules: [] };
    const modules = [...read, ...(await more(read))];
    if (modules.length === 0 && source.checkpoint.tensors.length > 0 && type !== "S2FT") {
      throw new CheckpointError("unsupported", `no tensor of the adapter has a name that adapters of type ${quote(type)} give to their factors`, source.checkpoint.path);
    }
    return { type, baseName: baseModel, modules: modules.map((module) => checked(module, source)) };
  } catch (error) {
    if (error instanceof ShapeMismatch) throw new CheckpointError("malformed", `the adapter's factors do not fit each other: ${error.message}`, source.checkpoint.path);
    throw error;
  }
}

/** The module, its update refused where its shape is not that of the base's tensor. */
function checked(module: AdapterModule, { base, checkpoint }: AdapterSource): AdapterModule {
  if (module.delta === null) return module;
  const shape = shapeOf(module.delta);
  const same = (other: readonly number[]): boolean => other.length === shape.length && other.every((length, i) => length === shape[i]);
  if (!same(module.shape)) throw new CheckpointError("malformed", `the update of ${quote(module.tensor)} has the shape ${bracketed(shape)}, not ${bracketed(module.shape)}`, checkpoint.path, { tensor: module.tensor });
  const tensor = base?.find(module.tensor);
  if (tensor === undefined || same(tensor.shape) || base?.checkpoints.some(({ tensors }) => tensors.some(({ name, shape: other }) => name === module.tensor && same(other)))) return module;
  return { ...module, delta: null, refused: `the update has the shape ${bracketed(shape)}, the base model's tensor ${bracketed(tensor.shape)}` };
}

/** The checkpoint with every tensor readable: an adapter's factors are small, so those stored compressed are decoded at once. */
async function withLoaded(checkpoint: Checkpoint): Promise<Checkpoint> {
  if (!checkpoint.tensors.some(({ expression, load }) => expression === null && load !== undefined)) return checkpoint;
  const tensors = [];
  for (const tensor of checkpoint.tensors) {
    tensors.push(tensor.expression === null && tensor.load !== undefined ? { ...tensor, expression: await tensor.load() } : tensor);
  }
  return { ...checkpoint, tensors };
}

/**
 * `adapter_config.json` beside the file; null when there is none, or when it belongs to another file (a model beside an adapter).
 * @throws CheckpointError when it cannot be read, or is missing beside a file whose names are PEFT's.
 */
async function peftConfig(checkpoint: Checkpoint, sources: SourceOpener): Promise<{ [key: string]: Json } | null> {
  const file = checkpoint.files[0]?.path ?? checkpoint.path;
  const named = /(?:^|[\\/])adapter_model\.[^\\/]*$/i.test(file);
  if (!named && !checkpoint.tensors.some(({ name }) => baseName(name) !== name)) return null;
  const path = join(dirname(file), "adapter_config.json");
  if (!(await sources.exists(path))) {
    throw new CheckpointError("usage", "the adapter has no adapter_config.json beside it, which says its type and scale", file);
  }
  return readJsonObject(path, sources);
}

/** A JSON object in a file. @throws CheckpointError when it is none, or larger than 4 MiB. */
export async function readJsonObject(path: string, sources: SourceOpener): Promise<{ [key: string]: Json }> {
  const source = await sources.open(path);
  try {
    const size = await source.size();
    if (size > MAX_CONFIG_BYTES) throw new CheckpointError("malformed", `the adapter's configuration has ${grouped(size)} bytes, more than the limit of ${grouped(MAX_CONFIG_BYTES)}`, path);
    const reader = new JsonReader(await source.read(0, size), { file: path, what: "the adapter's configuration", pythonNumbers: true });
    const value = reader.value();
    reader.end();
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new CheckpointError("malformed", "the adapter's configuration is not an object", path);
    return value;
  } finally {
    await source.close();
  }
}
