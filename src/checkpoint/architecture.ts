/** What kind of model a checkpoint holds: said by the configuration beside it, else guessed from tensor names. */
import { dirname, join } from "node:path";
import { CheckpointError, type Checkpoint, type SourceOpener } from "./checkpoint";
import { JsonReader, type Json } from "./json-reader";

const MAX_CONFIG_BYTES = 1 << 20;

/** A guess looks at no more different names, and at none longer than `LONGEST_NAME`. */
const MOST_NAMES = 10_000;
const LONGEST_NAME = 1000;
/** After so many names in a row without a new one, the rest is taken for more of the same. */
const MOST_REPEATED = 50_000;

/**
 * Names of model families and what is in all of them; the first whose every pattern matches some tensor wins, so the special
 * stand before the general. Patterns are of the families' published state dicts.
 */
const FAMILIES: readonly (readonly [string, readonly RegExp[]])[] = [
  ["LoRA adapter", [/(?:^|[._])lora_(?:A|B|down|up|embedding_A)(?:\.|$)/]],
  ["IA³ adapter", [/(?:^|\.)ia3_l(?:\.|$)/]],
  ["DeepSeek (MLA)", [/\.self_attn\.kv_a_proj_with_mqa\./]],
  ["Mixtral", [/\.block_sparse_moe\.experts\.\d+\.w1\./]],
  ["Mixture of experts (Llama-like)", [/\.mlp\.experts\.(?:\d+\.)?(?:gate_proj|gate_up_proj)/, /\.self_attn\.[qo]_proj\./]],
  ["Whisper", [/(?:^|\.)encoder\.conv1\./, /(?:^|\.)decoder\.layers\.\d+\.encoder_attn\./]],
  ["T5", [/(?:^|\.)(?:encoder|decoder)\.block\.\d+\.layer\.0\.SelfAttention\.q\./]],
  ["BART", [/(?:^|\.)decoder\.layers\.\d+\.encoder_attn\./, /(?:^|\.)encoder\.layers\.\d+\.self_attn\./]],
  ["Flux (diffusion transformer)", [/(?:^|\.)single_(?:transformer_)?blocks\.\d+\./, /(?:^|\.)(?:double_blocks|transformer_blocks)\.\d+\./]],
  ["Diffusion UNet", [/(?:^|\.)down_blocks\.\d+\.resnets\.\d+\./, /(?:^|\.)(?:up_blocks|mid_block)\./, /time_emb/]],
  ["Diffusion UNet", [/(?:^|\.)input_blocks\.\d+\./, /(?:^|\.)output_blocks\.\d+\./]],
  ["Autoencoder (VAE)", [/(?:^|\.)encoder\.(?:down_blocks|down)\.\d+\./, /(?:^|\.)decoder\.(?:up_blocks|up)\.\d+\./]],
  ["CLIP", [/(?:^|\.)text_model\.encoder\.layers\.\d+\./, /(?:^|\.)vision_model\.encoder\.layers\.\d+\./]],
  ["CLIP text encoder", [/(?:^|\.)text_model\.encoder\.layers\.\d+\./]],
  ["GPT-2", [/(?:^|\.)h\.\d+\.attn\.c_attn\./]],
  ["GPT-NeoX", [/(?:^|\.)layers\.\d+\.attention\.query_key_value\./]],
  ["BLOOM or Falcon", [/(?:^|\.)h\.\d+\.self_attention\.query_key_value\./]],
  ["Phi-3", [/\.self_attn\.qkv_proj\./, /\.mlp\.gate_up_proj\./]],
  ["Gemma-like", [/\.pre_feedforward_layernorm\./, /\.mlp\.gate_proj\./]],
  ["Llama-like", [/(?:^|\.)layers\.\d+\.self_attn\.q_proj\./, /(?:^|\.)layers\.\d+\.mlp\.gate_proj\./]],
  ["Llama (Meta's names)", [/(?:^|\.)layers\.\d+\.attention\.wq\./, /(?:^|\.)layers\.\d+\.feed_forward\.w1\./]],
  ["OPT", [/(?:^|\.)decoder\.layers\.\d+\.self_attn\.q_proj\./, /(?:^|\.)embed_positions\./]],
  ["Mamba", [/(?:^|\.)layers\.\d+\.mixer\.A_log$/]],
  ["RWKV", [/(?:^|\.)blocks\.\d+\.att(?:ention)?\.time_/]],
  ["ViT", [/(?:^|\.)blocks\.\d+\.attn\.qkv\./, /(?:^|\.)patch_embed\./]],
  ["ViT", [/(?:^|\.)encoder\.layer\.\d+\.attention\.attention\.query\./, /patch_embeddings/]],
  ["DistilBERT", [/(?:^|\.)transformer\.layer\.\d+\.attention\.q_lin\./]],
  ["BERT", [/(?:^|\.)encoder\.layer\.\d+\.attention\.self\.query\./]],
  ["ResNet", [/(?:^|\.)layer1\.0\.conv1\.weight$/, /(?:^|\.)layer4\.0\.conv1\.weight$/]],
  ["Recurrent net", [/(?:^|[._])weight_hh(?:_l\d+)?$/]],
];

/** The name in the configuration beside `path`, else a guess from the tensors' names, else null. */
export async function readArchitecture(
  path: string,
  sources: SourceOpener,
  tensors: readonly { name: string; shape: readonly number[] }[],
): Promise<Checkpoint["architecture"]> {
  return (await configuredArchitecture(path, sources)) ?? guessArchitecture(tensors);
}

/** The first of `architectures`, else `model_type`, of `config.json` (for an adapter: `peft_type` of `adapter_config.json`). */
async function configuredArchitecture(path: string, sources: SourceOpener): Promise<Checkpoint["architecture"]> {
  const adapter = /(?:^|[\\/])adapter_model\.[^\\/]*$/i.test(path);
  const config = await readConfig(join(dirname(path), adapter ? "adapter_config.json" : "config.json"), sources);
  if (config === null) return null;
  const { architectures, model_type: type, peft_type: peft, _class_name: diffusers } = config;
  const named = adapter ? peft : Array.isArray(architectures) ? architectures[0] : undefined;
  for (const name of adapter ? [named] : [named, type, diffusers]) {
    if (typeof name === "string" && name !== "") return { name: adapter ? `${PEFT_SPELLING[name] ?? name.slice(0, 200)} adapter` : name.slice(0, 200), from: "config" };
  }
  return null;
}

/** PEFT writes its types in capitals; their papers do not. */
const PEFT_SPELLING: Readonly<Record<string, string | undefined>> = { LORA: "LoRA", ADALORA: "AdaLoRA", IA3: "IA³", LOHA: "LoHa", LOKR: "LoKr" };

/** A small JSON object; null when there is none that can be read: it only decorates. */
async function readConfig(path: string, sources: SourceOpener): Promise<{ [key: string]: Json } | null> {
  try {
    if (!(await sources.exists(path))) return null;
    const source = await sources.open(path);
    try {
      const size = await source.size();
      if (size > MAX_CONFIG_BYTES) return null;
      const value = new JsonReader(await source.read(0, size), { file: path, what: "the configuration", pythonNumbers: true }).value();
      return typeof value === "object" && value !== null && !Array.isArray(value) ? value : null;
    } finally {
      await source.close();
    }
  } catch (error) {
    if (error instanceof CheckpointError) return null;
    throw error;
  }
}

/** The first family whose patterns are all met; a net of convolutions by its shapes. */
export function guessArchitecture(tensors: readonly { name: string; shape: readonly number[] }[]): Checkpoint["architecture"] {
  const pending = FAMILIES.map(([, patterns]) => new Set(patterns));
  const seen = new Set<string>();
  let convolutions = 0;
  let matrices = 0;
  let repeated = 0;
  for (const { name, shape } of tensors) {
    if (shape.length >= 2 && shape.every((length) => length > 0)) {
      matrices++;
      if (shape.length >= 3 && shape.length <= 5) convolutions++;
    }
    if (name.length > LONGEST_NAME || repeated > MOST_REPEATED) continue;
    // One of each repeated layer is enough.
    const sample = name.replace(/\.\d+/g, ".0");
    if (seen.size >= MOST_NAMES || seen.has(sample)) {
      repeated++;
      continue;
    }
    repeated = 0;
    seen.add(sample);
    for (const patterns of pending) for (const pattern of patterns) if (pattern.test(sample)) patterns.delete(pattern);
  }
  const family = pending.findIndex((patterns) => patterns.size === 0);
  if (family >= 0) return { name: FAMILIES[family]![0], from: "names" };
  return convolutions >= 3 && convolutions * 2 >= matrices ? { name: "Convolutional net", from: "names" } : null;
}
