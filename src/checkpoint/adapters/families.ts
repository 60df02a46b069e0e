/** The families of adapters by PEFT's type. A new one is a module that exports a `FamilyReader` and a line here. */
import type { Checkpoint } from "../checkpoint";
import type { FamilyReader } from "./adapter";
import { adalora } from "./adalora";
import { beft } from "./beft";
import { boft } from "./boft";
import { c3a } from "./c3a";
import { deft } from "./deft";
import { delora } from "./delora";
import { fourierft, waveft } from "./fourierft";
import { frod } from "./frod";
import { glora } from "./glora";
import { gralora } from "./gralora";
import { hira } from "./hira";
import { hra } from "./hra";
import { ia3 } from "./ia3";
import { adamss, psoft } from "./library-choices";
import { flora, isFlora } from "./flora";
import { hydra, isHydra } from "./hydra";
import { kohya } from "./kohya";
import { isKohya } from "./kohya-names";
import { lnTuning } from "./ln-tuning";
import { loha } from "./loha";
import { lokr } from "./lokr";
import { lora } from "./lora";
import { bone, miss } from "./miss";
import { withoutUpdate } from "./no-update";
import { oft } from "./oft";
import { osf } from "./osf";
import { peanut } from "./peanut";
import { poly } from "./poly";
import { randlora } from "./randlora";
import { road } from "./road";
import { isS2ft, s2ft } from "./s2ft";
import { shira } from "./shira";
import { supertuning } from "./supertuning";
import { tinylora } from "./tinylora";
import { trainableTokens } from "./trainable-tokens";
import { unilora } from "./unilora";
import { vblora } from "./vblora";
import { pvera, vera } from "./vera";

/** PEFT type → its reader; of a type without a weight update, the reason. */
export const families: ReadonlyMap<string, FamilyReader | string> = new Map<string, FamilyReader | string>([
  ["LORA", lora],
  ["LOHA", loha],
  ["LOKR", lokr],
  ["OFT", oft],
  ["BOFT", boft],
  ["BONE", bone],
  ["MISS", miss],
  ["HIRA", hira],
  ["HRA", hra],
  ["ROAD", road],
  ["IA3", ia3],
  ["LN_TUNING", lnTuning],
  ["TRAINABLE_TOKENS", trainableTokens],
  ["SHIRA", shira],
  ["SUPERTUNING", supertuning],
  ["BEFT", beft],
  ["C3A", c3a],
  ["DELORA", delora],
  ["GRALORA", gralora],
  ["ADALORA", adalora],
  ["VERA", vera],
  ["PVERA", pvera],
  ["RANDLORA", randlora],
  ["VBLORA", vblora],
  ["FOURIERFT", fourierft],
  ["WAVEFT", waveft],
  ["UNILORA", unilora],
  ["TINYLORA", tinylora],
  ["POLY", poly],
  ["GLORA", glora],
  ["DEFT", deft],
  ["PEANUT", peanut],
  ["OSF", osf],
  ["FROD", frod],
  ["PSOFT", psoft],
  ["ADAMSS", adamss],
  ...withoutUpdate,
]);

/** A layout without PEFT's configuration. */
export interface Layout {
  type: string;
  /** By the tensors' names alone. */
  matches(checkpoint: Checkpoint): boolean;
  /** The file beside the adapter that holds its settings, where the trainer writes one. */
  configuration?: string;
  read: FamilyReader;
}

export const layouts: readonly Layout[] = [
  { type: "HYDRA", matches: isHydra, configuration: "hydra_config.json", read: hydra },
  { type: "FLORA", matches: isFlora, configuration: "flora_config.json", read: flora },
  { type: "S2FT", matches: isS2ft, read: s2ft },
  { type: "LoCon", matches: isKohya, read: kohya },
];
