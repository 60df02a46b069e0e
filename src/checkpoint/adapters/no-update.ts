/** PEFT types that change no weight. */

/** What such an adapter holds instead, by its type in `adapter_config.json`. */
const HELD: readonly (readonly [string, string])[] = [
  ["PROMPT_TUNING", "virtual tokens"],
  ["MULTITASK_PROMPT_TUNING", "virtual tokens"],
  ["P_TUNING", "virtual tokens of a prompt encoder"],
  ["PREFIX_TUNING", "key/value prefixes"],
  ["CPT", "context tokens"],
  ["CARTRIDGE", "a trained key/value prefix"],
  ["ADAPTION_PROMPT", "gated prompts inside attention"],
  ["LILY", "a mixture that depends on the input"],
  ["XLORA", "gates between LoRA adapters that depend on the token"],
  ["SHADOW", "a path beside the model that depends on the input"],
];

/** Type → why there is no weight update, for `families.ts`. */
export const withoutUpdate: readonly (readonly [string, string])[] = HELD.map(([type, what]) => [type, `the adapter holds ${what} and changes no weight`]);
