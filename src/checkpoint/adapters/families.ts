/** The families of adapters by PEFT's type. A new one is a module that exports a `FamilyReader` and a line here. */
import type { FamilyReader } from "./adapter";
import { beft } from "./beft";
import { boft } from "./boft";
import { c3a } from "./c3a";
import { delora } from "./delora";
import { gralora } from "./gralora";
import { hira } from "./hira";
import { hra } from "./hra";
import { ia3 } from "./ia3";
import { lnTuning } from "./ln-tuning";
import { loha } from "./loha";
import { lokr } from "./lokr";
import { adalora } from "./adalora";
import { lora } from "./lora";
import { bone, miss } from "./miss";
import { oft } from "./oft";
import { road } from "./road";
import { shira } from "./shira";
import { supertuning } from "./supertuning";
import { trainableTokens } from "./trainable-tokens";

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
]);
