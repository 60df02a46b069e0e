/** FourierFT and WaveFT: ΔW in frequencies or wavelets, n coefficients at positions that a seed picks. */
import type { Expression } from "../../engine/protocol";
import type { AdapterSource, FamilyAnswer } from "./adapter";
import { compute, scale, scatter, ShapeMismatch } from "./build";
import { eachModule, linearLayer, sizedByBase, torchSeed, weightFacts, type LinearLayer } from "./linear-layer";
import { needed, numberSetting, settingError } from "./peft-names";
import { synthesise } from "./wavelets";

/** torch's `randperm` takes 64-bit draws from here on. */
const MOST_POSITIONS = Math.floor(2 ** 32 / 20);

/** ΔW = s·Re(F⁻¹(coefficients)). */
export async function fourierft(source: AdapterSource): Promise<FamilyAnswer> {
  return inCoefficients(source, "FOURIERFT", "fourierft_spectrum", 150, (coefficients) => compute({ name: "inverseFourier" }, coefficients));
}

/** ΔW = s·one inverse wavelet step of the coefficients, or the coefficients themselves without `use_idwt`. */
export async function waveft(source: AdapterSource): Promise<FamilyAnswer> {
  const family = source.config.wavelet_family ?? "db1";
  if (typeof family !== "string") throw settingError(source, "wavelet_family", family, "the name of a wavelet");
  return inCoefficients(source, "WAVEFT", "waveft_spectrum", 25, (coefficients) => {
    if (source.config.use_idwt === false) return coefficients;
    return synthesise(coefficients, family) ?? { refused: "the wavelet that the configuration names is not among those that can be read (db1 to db10, sym2 to sym10, coif1 to coif3)" };
  });
}

async function inCoefficients(
  source: AdapterSource,
  type: string,
  parameter: string,
  usualScale: number,
  transform: (coefficients: Expression) => Expression | { refused: string },
): Promise<FamilyAnswer> {
  const s = numberSetting(source, "scaling", usualScale);
  const seed = torchSeed(source, "random_loc_seed", 777);
  return eachModule(source, [parameter], (module) => {
    const spectrum = needed(source, module, parameter);
    const facts = weightFacts(module, type, null, s);
    return sizedByBase(source, facts, linearLayer(source, facts.tensor), (layer) => {
      if (layer.out * layer.inputs >= MOST_POSITIONS) return { refused: "the layer is larger than those whose random positions can be drawn again" };
      const update = transform(coefficientsAt(seed, spectrum.expression, spectrum.shape[0] ?? 0, layer));
      return "refused" in update ? update : scale(update, s);
    });
  });
}

/** The n coefficients in a matrix (out, in) of zeros, at the first n positions of `randperm(out·in)`. */
function coefficientsAt(seed: number, values: Expression, n: number, { out, inputs }: LinearLayer): Expression {
  if (n > out * inputs) throw new ShapeMismatch(`${n} coefficients are stored for ${out * inputs} positions`);
  return scatter([out, inputs], compute({ name: "torchPermutation", seed, count: out * inputs, take: n }), values);
}
