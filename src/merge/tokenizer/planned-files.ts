/** Which of the tokenizer's files lie beside the output: copied byte for byte where nothing in them changes, written else. */
import { CheckpointError, type SourceOpener } from "../../checkpoint/checkpoint";
import { JsonReader, type Json } from "../../checkpoint/json-reader";
import { editJson, type JsonEdit } from "../output/json-edit";
import type { PlannedTokenizer, VocabularyModel } from "../plan/plan";
import { COPIED, isChatTemplate, KEPT, pathOf, readText, tokenizerConfig, type BesideFile } from "./files";
import type { OutputVocabulary } from "./output-vocabulary";
import type { AddedToken, Vocabulary } from "./vocabulary";

/**
 * @param donor whose tokenizer it is.
 * @param alignment how its vocabulary changes; null where no tokenizer section asks for one.
 * @param sameConfig whether config.json is the donor's too: generation_config.json names tokens by the ids that they have there.
 * @param template a chat template in place of the donor's; null: the donor's.
 */
export async function plannedFiles(donor: VocabularyModel, alignment: { own: Vocabulary; vocabulary: OutputVocabulary } | null, sameConfig: boolean, template: string | null, sources: SourceOpener): Promise<PlannedTokenizer> {
  const changed = alignment !== null && (alignment.vocabulary.cut || alignment.vocabulary.added.length > 0) ? alignment : null;
  const planned: PlannedTokenizer = { copied: [], written: [] };
  const config = changed !== null || template !== null ? await changedConfig(donor, changed?.vocabulary ?? null, template, sources) : null;
  if (config !== null) planned.written.push({ name: "tokenizer_config.json", text: config });
  if (changed !== null) planned.written.push({ name: "tokenizer.json", text: await changedTokenizer(donor, changed.own, changed.vocabulary, sources) });
  if (template !== null) planned.written.push({ name: "chat_template.jinja", text: template });
  for (const name of changed === null ? COPIED : KEPT) {
    if (planned.written.some((file) => file.name === name) || (template !== null && isChatTemplate(name)) || (name === "generation_config.json" && !sameConfig)) continue;
    const file = await donor.beside(name);
    if (file === null) continue;
    if ("from" in file) planned.copied.push({ from: file.from, name });
    else planned.written.push({ name, text: file.text });
  }
  return planned;
}

/** `tokenizer_config.json` where it says something of what changes: a chat template, or added tokens by their ids. Else null. */
async function changedConfig(donor: VocabularyModel, vocabulary: OutputVocabulary | null, template: string | null, sources: SourceOpener): Promise<string | null> {
  const config = await tokenizerConfig(donor, sources);
  if (config === null) return null;
  const edits: JsonEdit[] = [];
  if (template !== null && Object.hasOwn(config.values, "chat_template")) edits.push({ path: ["chat_template"], value: template });
  const decoder = config.values.added_tokens_decoder;
  if (vocabulary !== null && typeof decoder === "object" && decoder !== null && !Array.isArray(decoder)) {
    const kept = Object.entries(decoder).filter(([id]) => !vocabulary.cut || Number(id) < vocabulary.tokens.length - vocabulary.added.length);
    const added = vocabulary.added.map(({ id, ...flags }) => [id, flags] as const);
    edits.push({ path: ["added_tokens_decoder"], value: Object.fromEntries([...kept, ...added]) });
  }
  return edits.length === 0 ? null : editJson(config.text, edits, pathOf((await donor.beside("tokenizer_config.json"))!, donor, "tokenizer_config.json"), "tokenizer_config.json");
}

/** The donor's `tokenizer.json` with the tokens added that it lacks, and without those that have no row. Made once for a vocabulary. */
function changedTokenizer(donor: VocabularyModel, own: Vocabulary, vocabulary: OutputVocabulary, sources: SourceOpener): Promise<string> {
  let text = texts.get(vocabulary);
  if (text === undefined) {
    texts.set(vocabulary, (text = makeTokenizer(donor, own, vocabulary, sources)));
    text.catch(() => texts.delete(vocabulary));
  }
  return text;
}

const texts = new WeakMap<OutputVocabulary, Promise<string>>();

async function makeTokenizer(donor: VocabularyModel, own: Vocabulary, { added, cut, tokens }: OutputVocabulary, sources: SourceOpener): Promise<string> {
  const file: BesideFile = (await donor.beside("tokenizer.json"))!;
  const bytes = await readText(file, Number.MAX_SAFE_INTEGER, sources);
  if (bytes.length !== own.bytes) throw new CheckpointError("malformed", "it changed while it was read", own.file);
  const rows = tokens.length - added.length;
  const listed: AddedToken[] = [...own.added.filter(({ id }) => id < rows), ...added];
  if (!cut && own.addedAt !== null) {
    const { start, end } = own.addedAt;
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const after = text.toString("utf8", end);
    return `${text.toString("utf8", 0, start)}${JSON.stringify(listed, null, 2).replaceAll("\n", "\n  ")}${after.startsWith(",") ? "" : "\n"}${after}`;
  }
  const edits: JsonEdit[] = [{ path: ["added_tokens"], value: listed }];
  if (cut) edits.push(...cutModel(bytes, own.file, rows));
  return editJson(Buffer.from(bytes).toString("utf8"), edits, own.file, "tokenizer.json");
}

/** The model's vocabulary without ids from `rows` on, and its merges without those that make or need a token that is gone. */
function cutModel(bytes: Uint8Array, file: string, rows: number): JsonEdit[] {
  const root = new JsonReader(bytes, { file, what: "tokenizer.json" }).value() as { model: { [key: string]: Json } };
  const { vocab, merges, continuing_subword_prefix: prefix } = root.model;
  if (Array.isArray(vocab)) return [{ path: ["model", "vocab"], value: vocab.slice(0, rows) }];
  const kept = new Map(Object.entries(vocab as { [token: string]: number }).filter(([, id]) => id < rows));
  const edits: JsonEdit[] = [{ path: ["model", "vocab"], value: Object.fromEntries(kept) }];
  if (!Array.isArray(merges)) return edits;
  const continued = typeof prefix === "string" ? prefix : "";
  const stays = (merge: Json): boolean => {
    const [left, right] = typeof merge === "string" ? merge.split(" ") : Array.isArray(merge) ? merge : [];
    if (typeof left !== "string" || typeof right !== "string") return false;
    const whole = left + (continued !== "" && right.startsWith(continued) ? right.slice(continued.length) : right);
    return kept.has(left) && kept.has(right) && kept.has(whole);
  };
  return [...edits, { path: ["model", "merges"], value: merges.filter(stays) }];
}
