/** The numbers of `examples/robust/report.html`: the command line's own documents, and answers counted by the forward pass. */
import { join } from "node:path";
import type { SignatureCompare, SignatureExtract } from "../../src/protocol/results";
import { root, Scratch } from "../files";
import { json } from "../unit/cli/command-line";
import { correct, readWeights } from "./forward";
import { CORRUPTIONS, type Corruption } from "./tables";

/** Correct answers of 600, on clean and on corrupted images. */
export interface Counts {
  clean: number;
  corrupted: number;
}

export interface ReportData {
  /** Of all layers, for the six corruptions. */
  extract: SignatureExtract;
  /** Of the first `depth` layers, for the six corruptions and three of them again with another seed. */
  compare: SignatureCompare;
  depth: number;
  clean: Counts[];
  robust: Counts[];
  /** Patched at α = 1: by number of layers, then by corruption. */
  patched: { layers: number; counts: Counts[] }[];
  /** Not projected (robust − clean), at the same depths. */
  unprojected: { layers: number; counts: Counts[] }[];
  /** Onto a clean model of another seed, with `depth` layers: before and after. */
  other: { before: Counts[]; after: Counts[] };
  /** Linear, with `depth` layers. */
  quantised: { levels: number; bytes: number; counts: Counts[] }[];
}

export const NAMES = [...CORRUPTIONS, "gaussian_noise-again", "defocus_blur-again", "fog-again"];
const DEPTH = 4;
/** As users name them, from the repository's root. */
const model = (name: string): string => `examples/robust/${name}.safetensors`;

/** Runs it all: some minutes. */
export async function reportData(): Promise<ReportData> {
  const scratch = new Scratch();
  const at = (name: string): string => join(scratch.folder, name);
  const extract = async (names: readonly string[], layers: number, folder: string, ...more: string[]): Promise<SignatureExtract> =>
    json(["signature", "extract", ...(more.includes("--unprojected") ? [] : ["--base", model("base")]), "--clean", model("clean"), "--robust", ...names.map(model), "--layers", String(layers), ...more.filter((one) => one !== "--unprojected"), "-o", `${at(folder)}/`]);
  const count = (file: string, corruption: Corruption): Counts => {
    const weights = readWeights(file);
    return { clean: correct(weights, "clean"), corrupted: correct(weights, corruption) };
  };
  const apply = async (folder: string, target = "clean", ...more: string[]): Promise<Counts[]> => {
    const counts: Counts[] = [];
    for (const corruption of CORRUPTIONS) {
      await json(["signature", "apply", model(target), "--signature", join(at(folder), `${corruption}.rws.safetensors`), "--no-undo", ...more, "-o", at("patched.safetensors")]);
      counts.push(count(at("patched.safetensors"), corruption));
    }
    return counts;
  };
  try {
    const all = await extract(CORRUPTIONS, 6, "layers-6");
    await extract(NAMES, DEPTH, "again");
    const compare = await json<SignatureCompare>(["signature", "compare", ...NAMES.map((name) => join(at("again"), `${name}.rws.safetensors`))]);
    const patched: ReportData["patched"] = [];
    const unprojected: ReportData["patched"] = [];
    for (let layers = 1; layers <= 6; layers++) {
      await extract(CORRUPTIONS, layers, `layers-${layers}`);
      patched.push({ layers, counts: await apply(`layers-${layers}`) });
      await extract(CORRUPTIONS, layers, `plain-${layers}`, "--unprojected");
      unprojected.push({ layers, counts: await apply(`plain-${layers}`) });
    }
    const quantised: ReportData["quantised"] = [];
    for (const levels of [256, 16, 8, 4]) {
      const folder = `levels-${levels}`;
      // One by one: made together they would share their scales.
      let bytes = 0;
      for (const name of CORRUPTIONS) bytes = (await extract([name], DEPTH, folder, "--quantise", "linear", "--levels", String(levels))).signatures[0]!.bytes;
      quantised.push({ levels, bytes, counts: await apply(folder) });
    }
    const own = (name: string): Counts[] => CORRUPTIONS.map((corruption) => count(join(root, model(name)), corruption));
    return {
      extract: { ...all, signatures: all.signatures.map((signature, i) => ({ ...signature, path: `${CORRUPTIONS[i]}.rws.safetensors` })) },
      compare: { ...compare, signatures: NAMES.map((name) => `${name}.rws.safetensors`) },
      depth: DEPTH,
      clean: own("clean"),
      robust: CORRUPTIONS.map((corruption) => count(join(root, model(corruption)), corruption)),
      patched,
      unprojected,
      other: { before: own("clean-again"), after: await apply(`layers-${DEPTH}`, "clean-again", "--onto-other") },
      quantised,
    };
  } finally {
    scratch.remove();
  }
}
