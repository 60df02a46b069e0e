/**
 * `*.rws.safetensors`: each patched tensor's signature under the tensor's own name, as F32 or as codes (U8, U16), and in
 * `__metadata__` one JSON text that says what it was made from. Files of others are hostile: all of it is checked.
 */
import { createHash } from "node:crypto";
import path from "node:path";
import { CheckpointError, type Checkpoint, type SourceOpener, type Tensor } from "../../checkpoint/checkpoint";
import { quote } from "../../checkpoint/quote";
import { openCheckpoint } from "../../checkpoint/registry";
import type { Expression } from "../../engine/protocol";
import type { Engine } from "../engine";
import { contentsOf } from "./contents";
import { Fields } from "./fields";
import { codeType, decoded, fewestLevels, MOST_LEVELS, SCHEMES, type Scale, type Scheme } from "./quantisation";

/** The key in `__metadata__`. */
export const SIGNATURE_KEY = "robust_weight_signature";
const VERSION = 1;
/** Bounds of a scale: values are about those of F32, and log₂ of what is left of a difference is that of a double. */
const LARGEST = 3.5e38;
const LEAST_EXPONENT = 1100;
export const SIGNATURE_ENDING = ".rws.safetensors";

/** A model that a signature was made from: the name of its file, and its contents' hash. */
export interface ModelMark {
  file: string;
  contents: string;
  bytes: number;
}

export interface SignatureTensor {
  name: string;
  shape: readonly number[];
  /** Of the codes; null for values in F32. */
  scale: Scale | null;
  /** BLAKE3 of the tensor in each of the models. */
  hashes: { base: string | null; clean: string; robust: string };
  /** (p·a)/(a·a) and the share of energy that the projection removed; null when it was not projected. */
  coefficient: number | null;
  removed: number | null;
}

/** What the metadata says. */
export interface SignatureFacts {
  base: ModelMark | null;
  clean: ModelMark;
  robust: ModelMark;
  scheme: Scheme | null;
  /** The layers that were chosen, in forward order; null when tensors were named. */
  units: readonly string[] | null;
  tensors: ReadonlyMap<string, SignatureTensor>;
}

/** A signature file that was opened and found to be one. */
export interface Signature extends SignatureFacts {
  path: string;
  /** The file's name without its ending. */
  name: string;
  bytes: number;
  checkpoint: Checkpoint;
}

/** The metadata of a signature file. */
export function signatureMetadata({ base, clean, robust, scheme, units, tensors }: SignatureFacts): Record<string, string> {
  const entries = Object.fromEntries([...tensors.values()].map(({ name, scale, hashes, coefficient, removed }) => [name, { hashes, coefficient, removed, ...(scale === null ? {} : { scale }) }]));
  return { format: "pt", [SIGNATURE_KEY]: JSON.stringify({ version: VERSION, projected: base !== null, base, clean, robust, scheme, units, tensors: entries }) };
}

/** @throws CheckpointError when the file cannot be opened, is no signature, or says what cannot be. */
export async function openSignature(file: string, sources: SourceOpener): Promise<Signature> {
  const checkpoint = await openCheckpoint(file, sources);
  const text = checkpoint.metadata[SIGNATURE_KEY];
  if (typeof text !== "string") throw new CheckpointError("usage", `this is not a robust weight signature: its metadata has no ${quote(SIGNATURE_KEY)}`, checkpoint.path);
  const facts = readFacts(text, checkpoint);
  const bytes = checkpoint.files.reduce((sum, { bytes: size }) => sum + size, 0);
  return { ...facts, path: file, name: signatureName(checkpoint.path), bytes, checkpoint };
}

/** A signature file's name without its ending. */
export function signatureName(file: string): string {
  const name = path.basename(file);
  return name.endsWith(SIGNATURE_ENDING) ? name.slice(0, -SIGNATURE_ENDING.length) : name.replace(/\.safetensors$/, "");
}

/** The values of a tensor of a signature, decoded where they are codes. */
export function valuesOf({ checkpoint, scheme, tensors }: Signature, name: string): Expression {
  const { scale, shape } = tensors.get(name)!;
  const stored = checkpoint.tensors.find((tensor) => tensor.name === name)!.expression!;
  return scheme === null || scale === null ? stored : decoded(scheme, scale, stored, shape);
}

/** Equal for signatures that add the same values, whatever their files are called; SHA-256 in lower-case hex. */
export async function identityOf({ checkpoint, scheme, tensors }: Signature, engine: Engine, signal?: AbortSignal): Promise<string> {
  const { hash } = await contentsOf(checkpoint, engine, signal);
  const scales = [...tensors.values()].map(({ name, scale }) => [name, scale?.min, scale?.max, scale?.zeros]);
  scales.sort(([a], [b]) => (a! < b! ? -1 : 1));
  return createHash("sha256").update(JSON.stringify([hash, scheme?.name, scheme?.levels, scales])).digest("hex");
}

function readFacts(text: string, checkpoint: Checkpoint): SignatureFacts {
  const fields = Fields.parse(text, `${quote(SIGNATURE_KEY)} in its metadata`, checkpoint.path);
  const version = fields.integer("version", 1, Number.MAX_SAFE_INTEGER);
  if (version !== VERSION) throw new CheckpointError("unsupported", `the signature is of version ${version}, and this program reads version ${VERSION}`, checkpoint.path);
  const base = fields.isNull("base") ? null : readMark(fields.object("base"));
  const scheme = fields.isNull("scheme") ? null : readScheme(fields.object("scheme"));
  const entries = fields.object("tensors");
  const named = new Set(entries.keys());
  const tensors = new Map<string, SignatureTensor>();
  for (const tensor of checkpoint.tensors) {
    if (!named.delete(tensor.name)) throw new CheckpointError("malformed", `the signature's metadata says nothing of the tensor ${quote(tensor.name)}`, checkpoint.path, { tensor: tensor.name });
    tensors.set(tensor.name, readTensor(entries.object(tensor.name), tensor, scheme, base !== null, checkpoint.path));
  }
  const [lost] = named;
  if (lost !== undefined) throw new CheckpointError("malformed", `the tensor ${quote(lost)} that the signature's metadata lists is not in the file`, checkpoint.path, { tensor: lost });
  if (tensors.size === 0) throw new CheckpointError("malformed", "the signature has no tensors", checkpoint.path);
  return { base, clean: readMark(fields.object("clean")), robust: readMark(fields.object("robust")), scheme, units: fields.isNull("units") ? null : fields.strings("units"), tensors };
}

function readMark(fields: Fields): ModelMark {
  return { file: fields.string("file"), contents: fields.hash("contents"), bytes: fields.integer("bytes", 0, Number.MAX_SAFE_INTEGER) };
}

function readScheme(fields: Fields): Scheme {
  const name = fields.oneOf("name", SCHEMES);
  return { name, levels: fields.integer("levels", fewestLevels({ name }), MOST_LEVELS) };
}

function readTensor(fields: Fields, { name, shape, dtype, expression }: Tensor, scheme: Scheme | null, projected: boolean, file: string): SignatureTensor {
  const scale = scheme === null ? null : readScale(fields.object("scale"), scheme);
  const type = scheme === null || scale === null ? "F32" : codeType(scheme, scale);
  if (dtype !== type || expression === null) throw new CheckpointError("malformed", `the tensor ${quote(name)} of the signature is of type ${dtype}, not ${type}`, file, { tensor: name });
  const hashes = fields.object("hashes");
  return {
    name,
    shape,
    scale,
    hashes: { base: projected ? hashes.hash("base") : null, clean: hashes.hash("clean"), robust: hashes.hash("robust") },
    coefficient: projected ? fields.number("coefficient") : null,
    removed: projected ? fields.number("removed") : null,
  };
}

function readScale(fields: Fields, { name }: Scheme): Scale {
  const scale = { min: fields.number("min"), max: fields.number("max"), zeros: fields.boolean("zeros") };
  const { min, max } = scale;
  if (min > max) fields.fail("has its least value above its largest");
  if (name === "tanh" && Math.max(-min, max) >= 1) fields.fail("is no range of tanh");
  if (max > (name === "log" ? 128 : LARGEST) || min < (name === "log" ? -LEAST_EXPONENT : -LARGEST)) fields.fail("is no range of F32 values");
  return scale;
}
