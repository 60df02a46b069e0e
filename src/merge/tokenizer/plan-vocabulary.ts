/** The output's tokenizer and the order of the rows of its vocabulary tensors, as the recipe's tokenizer section asks. */
import { CheckpointError, type SourceOpener } from "../../checkpoint/checkpoint";
import { grouped, quote } from "../../checkpoint/quote";
import type { VocabularyModel, VocabularyPlan } from "../plan/plan";
import type { Problem } from "../problem";
import { sameReference } from "../recipe/model-reference";
import type { MergeDocument, TokenizerSection } from "../recipe/recipe";
import { aligned, lostTokens, type Rows } from "./alignment";
import { chatTemplate } from "./chat-template";
import { plannedFiles } from "./planned-files";
import { idsIn, outputVocabulary, type OutputVocabulary } from "./output-vocabulary";
import type { Report } from "./report";
import { tokenTable } from "./token-table";
import { readVocabulary, type Vocabulary } from "./vocabulary";

/** Most rows that filling up may make: four times the largest vocabularies in use. */
const MOST_ROWS = 1 << 20;

export interface VocabularyOptions {
  /** Whether the tokenizer's files are written where no tokenizer section asks for them. */
  copyTokenizer: boolean;
  sources: SourceOpener;
}

/** What came of the tokenizer section. */
interface Alignment {
  donor: VocabularyModel;
  own: Vocabulary;
  vocabulary: OutputVocabulary;
  rows: Rows;
}

/**
 * Reads the tokenizers of `models` where the recipe asks for one, and says what becomes of each row of their vocabulary tensors, and which files
 * lie beside the output. Whatever is wrong is a problem with its place; with errors nothing is aligned.
 * @param models every model of the document, those among them that lend their tokenizer or a token's row only.
 */
export async function planVocabulary(document: MergeDocument, models: readonly VocabularyModel[], options: VocabularyOptions): Promise<VocabularyPlan> {
  const problems: Problem[] = [];
  const report: Report = (severity, code, message, at) => void problems.push({ severity, code, message, at });
  const first = models.find(({ base }) => base) ?? models.find(({ merged }) => merged);
  const nothing = (): VocabularyPlan => ({ problems, rows: null, align: (tensors) => [...tensors], lost: () => 0, tokenizer: { copied: [], written: [] } });
  if (first === undefined) return nothing();
  try {
    const alignment = document.tokenizer === null ? null : await align(document.tokenizer, models, first, options, report);
    if (problems.some(({ severity }) => severity === "error")) return nothing();
    const written = alignment !== null || options.copyTokenizer;
    const template = document.chatTemplate === null ? null : await chatTemplate(document.chatTemplate, models, alignment?.vocabulary ?? null, written, options.sources, report);
    const donor = alignment?.donor ?? first;
    const tokenizer = written ? await plannedFiles(donor, alignment, donor === first, template, options.sources) : { copied: [], written: [] };
    if (alignment === null) return { ...nothing(), tokenizer };
    const { rows } = alignment;
    return { problems, rows: rows.padded, align: (tensors, dtype, takesPart) => aligned(rows, tensors, dtype, takesPart), lost: (takesPart) => lostTokens(rows, takesPart), tokenizer };
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    const at = document.tokenizer?.at ?? document.chatTemplate?.at ?? first.at;
    report("error", "tokenizer", `${error.file}: ${error.message}`, at);
    return nothing();
  }
}

/** Null, with a problem, when the section cannot be followed. */
async function align(section: TokenizerSection, models: readonly VocabularyModel[], first: VocabularyModel, { sources }: VocabularyOptions, report: Report): Promise<Alignment | null> {
  const source = section.source.value;
  const donor = typeof source === "string" ? first : models.find(({ reference }) => sameReference(reference, source));
  if (donor === undefined) return null;
  const vocabularies = await Promise.all(models.map((model) => vocabularyOf(model, sources, report)));
  if (vocabularies.some((vocabulary) => vocabulary === null)) return null;
  const all = vocabularies as Vocabulary[];
  const own = all[models.indexOf(donor)]!;
  const others = source === "union" ? models.flatMap((model, i) => (model.merged && model !== donor ? [all[i]!] : [])) : [];
  // Of another model than the first, tokens without a row are an error like any model's.
  const vocabulary = outputVocabulary(own, donor === first ? donor.rows : null, others, section.tokens.map(({ token }) => token.value));
  if (vocabulary.cut) {
    report("warning", "tokenizer-cut", `the tokenizer of ${donor.label} has ids up to ${grouped(own.tokens.length - 1)} and its embedding ${grouped(donor.rows!)} rows: tokens beyond them are left out`, section.source.at);
  }
  const count = vocabulary.tokens.length;
  const multiple = section.padToMultipleOf?.value ?? 1;
  const padded = Math.ceil(count / multiple) * multiple;
  if (!(multiple >= 1) || (padded > MOST_ROWS && padded > count * 2)) {
    report("error", "tokenizer-padding", `pad_to_multiple_of ${grouped(multiple)} makes ${grouped(padded)} rows of ${grouped(count)} tokens; multiples in use are 8 to 256`, section.padToMultipleOf!.at);
    return null;
  }
  const rows: Rows = {
    count,
    padded,
    models: models.map((model, i) => ({ own: ownRows(model, all[i]!, vocabulary, donor, first, report), merged: model.merged, base: model.base })),
    table: tokenTable(section, models, all, own, vocabulary, report),
  };
  checkOrphans(section, rows, vocabulary, report);
  checkSpecialIds(section, first, all[models.indexOf(first)]!, vocabulary, report);
  return { donor, own, vocabulary, rows };
}

async function vocabularyOf(model: VocabularyModel, sources: SourceOpener, report: Report): Promise<Vocabulary | null> {
  const file = await model.beside("tokenizer.json");
  if (file === null) {
    report("error", "tokenizer-missing", `${model.label} has no tokenizer.json, so its embedding's rows cannot be told apart by their tokens: put the file beside its weights, or leave the tokenizer section out`, model.at);
    return null;
  }
  try {
    return await readVocabulary(file, `${model.label}/tokenizer.json`, sources);
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    report("error", "tokenizer-damaged", `${error.file}: ${error.message}`, model.at);
    return null;
  }
}

/** The model's row of each token; −1 where it has none. */
function ownRows(model: VocabularyModel, vocabulary: Vocabulary, output: OutputVocabulary, donor: VocabularyModel, first: VocabularyModel, report: Report): Int32Array {
  const own = Int32Array.from(idsIn(vocabulary, output));
  const rows = model.rows ?? own.length;
  const beyond: number[] = [];
  for (let token = 0; token < own.length; token++) {
    // A gap in the ids of the tokenizer that is taken keeps its row.
    if (output.tokens[token] === undefined) own[token] = model === donor && token < rows ? token : -1;
    else if (model.rows !== null && own[token]! >= rows) {
      own[token] = -1;
      beyond.push(token);
    }
  }
  if (beyond.length > 0 && model.merged && model !== first) {
    const others = beyond.length > 1 ? ` and ${grouped(beyond.length - 1)} more` : "";
    const shown = quote(output.tokens[beyond[0]!]!);
    report("error", "tokenizer-too-long", `the tokenizer of ${model.label} knows the token ${shown}${others}, which the output needs and its embedding of ${grouped(rows)} rows does not have: take its tokenizer and weights from one version of the model`, model.at);
  }
  return own;
}

/** Tokens that no merged model has and the table says nothing of. */
function checkOrphans(section: TokenizerSection, { models, table, count }: Rows, { tokens }: OutputVocabulary, report: Report): void {
  const orphans: number[] = [];
  // Those whose source is wrong have a problem of their own.
  const named = new Set(section.tokens.filter(({ source }) => source !== null).map(({ token }) => token.value));
  for (let token = 0; token < count; token++) if (!table.has(token) && !named.has(tokens[token] ?? "") && models.every(({ own, merged }) => !merged || own[token]! < 0)) orphans.push(token);
  if (orphans.length === 0) return;
  const shown = orphans.slice(0, 3).map((token) => (tokens[token] === undefined ? `with id ${token}` : quote(tokens[token])));
  const others = orphans.length > shown.length ? ` and ${grouped(orphans.length - shown.length)} more` : "";
  report("warning", "token-without-row", `no merged model has the token${orphans.length > 1 ? "s" : ""} ${shown.join(", ")}${others}: zeros stand in for ${orphans.length > 1 ? "their rows" : "its row"}; a "source" under tokenizer.tokens would say what should`, section.source.at);
}

/** config.json names special tokens by their ids: in another tokenizer those may be others. */
function checkSpecialIds(section: TokenizerSection, first: VocabularyModel, own: Vocabulary, { tokens }: OutputVocabulary, report: Report): void {
  for (const key of ["bos_token_id", "eos_token_id", "pad_token_id"]) {
    const value = first.config?.[key];
    const other = (Array.isArray(value) ? (value as unknown[]) : [value]).find((id): id is number => typeof id === "number" && own.tokens[id] !== undefined && own.tokens[id] !== tokens[id]);
    if (other === undefined) continue;
    const now = tokens[other];
    report("warning", "special-token-id", `${key} ${other} of ${first.label}'s config.json is ${quote(own.tokens[other]!)}, and in the output's tokenizer ${now === undefined ? "nothing" : quote(now)}: correct it there before generating text`, section.source.at);
  }
}
