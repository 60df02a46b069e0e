/** The families of adapters by PEFT's type. A new one is a module that exports a `FamilyReader` and a line here. */
import type { FamilyReader } from "./adapter";
import { lora } from "./lora";

/** PEFT type → its reader; of a type without a weight update, the reason. */
export const families: ReadonlyMap<string, FamilyReader | string> = new Map<string, FamilyReader | string>([
  ["LORA", lora],
]);
