/** A comparison as the document that `compare --json` prints, and that views export. */
import type { Tensor } from "../../checkpoint/checkpoint";
import { mappingOf, partOfSide, type TensorPair } from "../../checkpoint/pairing/pairing";
import type { Compare, Pair, PairSpectrum } from "../../protocol/results";
import { byChange } from "./numbers";
import type { Comparison } from "./comparison";

/** What is in the document besides the numbers of all pairs. */
export interface DocumentOptions {
  /** Default: all pairs. */
  pairs?: readonly number[];
  /** Which tensors are listed when they have no partner, by index. Default: all. */
  only?: { a: ReadonlySet<number>; b: ReadonlySet<number> };
  spectra?: ReadonlyMap<number, PairSpectrum>;
}

/** @throws CheckpointError when the headers cannot be read. */
export async function documentOf(comparison: Comparison, { pairs, only, spectra }: DocumentOptions = {}): Promise<Compare> {
  const opened = await comparison.opened();
  const { pairing, known, tied } = opened;
  const [a, b] = [opened.a.checkpoint, opened.b.checkpoint];
  const chosen = pairs ?? [...pairing.pairs.keys()];
  const listed = chosen.flatMap((index): Pair[] => {
    const pair = opened.pair(index);
    const primary = opened.primary(index);
    const numbers = known.numbers(primary);
    if (numbers === undefined) return [];
    const { structure } = known.get(primary) ?? {};
    const [partOfA, partOfB] = [partOfSide(pair.a), partOfSide(pair.b)];
    const first = tied.get(index);
    const spectrum = spectra?.get(primary);
    return [{
      a: a.tensors[pair.a.tensor]!.name,
      b: b.tensors[pair.b.tensor]!.name,
      ...(partOfA === undefined ? {} : { partOfA }),
      ...(partOfB === undefined ? {} : { partOfB }),
      shape: [...pair.shape],
      ...numbers,
      ...(first === undefined ? {} : { tiedTo: opened.name(first) }),
      ...(spectrum === undefined ? {} : { spectrum }),
      ...(structure === undefined ? {} : { structure }),
    }];
  });
  const listedPairs = chosen.map((index) => opened.pair(index));
  const names = (tensors: readonly { name: string }[], indices: readonly number[]): string[] => indices.map((i) => tensors[i]!.name);
  return {
    ...comparison.paths,
    pairs: listed.sort(byChange),
    onlyInA: names(a.tensors, pairing.onlyInA.filter((i) => only?.a.has(i) !== false)),
    onlyInB: names(b.tensors, pairing.onlyInB.filter((i) => only?.b.has(i) !== false)),
    reshaped: pairing.reshaped.filter(([x, y]) => only === undefined || only.a.has(x) || only.b.has(y)).map(([x, y]) => ({ name: a.tensors[x]!.name, a: [...a.tensors[x]!.shape], b: [...b.tensors[y]!.shape] })),
    retyped: retyped(listedPairs, a.tensors, b.tensors),
    mapping: mappingOf({ ...pairing, pairs: listedPairs }, a, b),
    totals: comparison.totals(),
    summary: comparison.summary(),
    findings: comparison.findings(),
  };
}

/** Once for each two tensors, also where several parts of them are paired. */
function retyped(pairs: readonly TensorPair[], a: readonly Tensor[], b: readonly Tensor[]): Compare["retyped"] {
  const seen = new Set<string>();
  return pairs.flatMap((pair) => {
    const key = `${pair.a.tensor} ${pair.b.tensor}`;
    if (!pair.retyped || pair.unreadable !== undefined || seen.has(key)) return [];
    seen.add(key);
    const [x, y] = [a[pair.a.tensor]!, b[pair.b.tensor]!];
    return [{ name: x.name, a: x.dtype, b: y.dtype }];
  });
}
