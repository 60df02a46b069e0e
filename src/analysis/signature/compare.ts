/** How signatures lie to each other: cosines, norms, what projection took away, and how much smaller than a model they are. */
import { CheckpointError } from "../../checkpoint/checkpoint";
import { quote } from "../../checkpoint/quote";
import { toNumber, type How, type Numeric, type SignatureCompare } from "../../protocol/results";
import { numeric } from "../compare/numbers";
import { concurrently } from "../concurrently";
import type { Engine } from "../engine";
import { valuesOf, type Signature } from "./signature-file";
import { layerUnits } from "./units";

/** As many as the engine relates in one request. */
const MOST = 32;
/** Tensors under way at a time. */
const CONCURRENCY = 4;

interface Options {
  engine: Engine;
  signal?: AbortSignal;
  /** Tensors done of all. */
  onProgress?(done: number, total: number, tensor: string): void;
}

/** One pass over every tensor of the signatures. @throws CheckpointError when two hold tensors of other shapes, or there are too many; what the engine throws. */
export async function compareSignatures(signatures: readonly Signature[], { engine, signal, onProgress }: Options): Promise<SignatureCompare> {
  if (signatures.length > MOST) throw new CheckpointError("usage", `at most ${MOST} signatures are compared at a time, not ${signatures.length}`, signatures[MOST]!.path);
  const names = namesInOrder(signatures);
  let done = 0;
  let how: How | undefined;
  const inner = signatures.map(() => signatures.map(() => ({ dot: 0, own: 0, other: 0 })));
  const layers = await concurrently(names, CONCURRENCY, async (name): Promise<SignatureCompare["layers"][number]> => {
    const holders = signatures.flatMap((signature, i) => (signature.tensors.has(name) ? [{ signature, i }] : []));
    const { gram, compared, count, how: made } = await engine.request("relations", { tensors: holders.map(({ signature }) => valuesOf(signature, name)) }, signal === undefined ? {} : { signal });
    if (compared < count) throw new CheckpointError("malformed", `the signature's tensor ${quote(name)} has values that are not finite here or in another one`, holders[0]!.signature.path, { tensor: name });
    how ??= made;
    const norms: (Numeric | null)[] = signatures.map(() => null);
    for (const [row, { i }] of holders.entries()) {
      norms[i] = numeric(Math.sqrt(toNumber(gram[row]![row]!)));
      for (const [column, { i: j }] of holders.entries()) {
        const sums = inner[i]![j]!;
        sums.dot += toNumber(gram[row]![column]!);
        sums.own += toNumber(gram[row]![row]!);
        sums.other += toNumber(gram[column]![column]!);
      }
    }
    onProgress?.(++done, names.length, name);
    return { name, norm: norms, removedByProjection: signatures.map(({ tensors }) => tensors.get(name)?.removed ?? null) };
  });
  return {
    signatures: signatures.map(({ path }) => path),
    cosine: inner.map((row, i) => row.map(({ dot, own, other }, j) => (i === j && own > 0 ? 1 : numeric(dot / Math.sqrt(own * other))))),
    layers,
    bytes: signatures.map(({ bytes }) => bytes),
    fullCopyBytes: signatures[0]!.robust.bytes,
    how: { ...how!, method: "cosines of tensors as vectors, over those that both hold" },
  };
}

/** Every tensor that one of them holds, in forward order. @throws CheckpointError when two hold it in other shapes. */
function namesInOrder(signatures: readonly Signature[]): string[] {
  const shapes = new Map<string, readonly number[]>();
  for (const { path, tensors } of signatures) {
    for (const { name, shape } of tensors.values()) {
      const known = shapes.get(name);
      if (known === undefined) shapes.set(name, shape);
      else if (known.length !== shape.length || known.some((length, i) => length !== shape[i])) {
        throw new CheckpointError("unsupported", `its tensor ${quote(name)} is [${shape.join(", ")}], and [${known.join(", ")}] in another signature: they are of models that differ`, path, { tensor: name });
      }
    }
  }
  return layerUnits([...shapes].map(([name, shape]) => ({ name, shape: [...shape] })), false).flatMap(({ tensors }) => tensors);
}
