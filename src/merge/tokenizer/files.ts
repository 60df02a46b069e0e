/** Files beside a model's weights that belong to its tokenizer, and what is read of them. */
import { CheckpointError, type SourceOpener } from "../../checkpoint/checkpoint";
import { JsonReader, type Json } from "../../checkpoint/json-reader";
import { grouped } from "../../checkpoint/quote";
import type { VocabularyModel } from "../plan/plan";

/** Where a file lies, or its text while it is not written yet: an earlier document's. */
export type BesideFile = { from: string } | { text: string };

/** A `tokenizer_config.json` lists its added tokens too. */
const MAX_CONFIG_BYTES = 1 << 26;
const MAX_TEMPLATE_BYTES = 1 << 22;

/** Files that hold a vocabulary, or part of one, apart from `tokenizer.json`: of no use beside one that was changed. */
const OTHER_VOCABULARIES = ["tokenizer.model", "added_tokens.json", "merges.txt", "vocab.json", "vocab.txt", "spiece.model", "sentencepiece.bpe.model", "tekken.json"];
const CHAT_TEMPLATES = ["chat_template.jinja", "chat_template.json"];
const OTHERS = ["special_tokens_map.json", "preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json"];

/** Everything that is copied where the tokenizer stays as it is. */
export const COPIED = ["tokenizer.json", "tokenizer_config.json", ...OTHER_VOCABULARIES, ...CHAT_TEMPLATES, ...OTHERS, "generation_config.json"];
/** What is copied beside a `tokenizer.json` with another vocabulary. */
export const KEPT = ["tokenizer_config.json", ...CHAT_TEMPLATES, ...OTHERS, "generation_config.json"];
export const isChatTemplate = (name: string): boolean => CHAT_TEMPLATES.includes(name);

/**
 * The bytes of a file.
 * @throws CheckpointError `"malformed"` when it has more than `limit`, `"io"`.
 */
export async function readText(file: BesideFile, limit: number, sources: SourceOpener): Promise<Uint8Array> {
  if ("text" in file) return Buffer.from(file.text, "utf8");
  const source = await sources.open(file.from);
  try {
    const size = await source.size();
    if (size > limit) throw new CheckpointError("malformed", `it has ${grouped(size)} bytes, more than the limit of ${grouped(limit)}`, file.from);
    return await source.read(0, size);
  } finally {
    await source.close();
  }
}

/**
 * `tokenizer_config.json`: its text and its values; null when there is none.
 * @throws CheckpointError when it is no JSON object.
 */
export async function tokenizerConfig(model: VocabularyModel, sources: SourceOpener): Promise<{ text: string; values: { [key: string]: Json } } | null> {
  const file = await model.beside("tokenizer_config.json");
  if (file === null) return null;
  const bytes = await readText(file, MAX_CONFIG_BYTES, sources);
  const reader = new JsonReader(bytes, { file: pathOf(file, model, "tokenizer_config.json"), what: "tokenizer_config.json", pythonNumbers: true });
  if (reader.next() !== "object") reader.failHere(`tokenizer_config.json holds ${reader.shown()} where an object should be`);
  const values = reader.value() as { [key: string]: Json };
  reader.end();
  return { text: Buffer.from(bytes).toString("utf8"), values };
}

/** The model's chat template, from `chat_template.jinja` or its `tokenizer_config.json`; null when it has none. */
export async function chatTemplateOf(model: VocabularyModel, sources: SourceOpener): Promise<string | null> {
  const file = await model.beside("chat_template.jinja");
  if (file !== null) return Buffer.from(await readText(file, MAX_TEMPLATE_BYTES, sources)).toString("utf8");
  const template = (await tokenizerConfig(model, sources))?.values.chat_template;
  if (typeof template === "string") return template;
  if (!Array.isArray(template)) return null;
  // Several by name: `[{"name": "default", "template": …}, …]`.
  for (const entry of template) {
    if (typeof entry === "object" && entry !== null && !Array.isArray(entry) && entry.name === "default" && typeof entry.template === "string") return entry.template;
  }
  return null;
}

export function pathOf(file: BesideFile, model: VocabularyModel, name: string): string {
  return "from" in file ? file.from : `${model.label}/${name}`;
}
