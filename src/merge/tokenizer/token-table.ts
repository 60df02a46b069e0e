/** The rows that the recipe's token table names. */
import { grouped, quote } from "../../checkpoint/quote";
import type { VocabularyModel } from "../plan/plan";
import { sameReference } from "../recipe/model-reference";
import type { TokenizerSection } from "../recipe/recipe";
import type { Rows, RowSource } from "./alignment";
import type { OutputVocabulary } from "./output-vocabulary";
import type { Report } from "./report";
import type { Vocabulary } from "./vocabulary";

/**
 * By id in the output. An entry without a source says no more than that the token is there.
 * @param own whose ids the output keeps.
 */
export function tokenTable(section: TokenizerSection, models: readonly VocabularyModel[], vocabularies: readonly Vocabulary[], own: Vocabulary, { tokens, added }: OutputVocabulary, report: Report): Rows["table"] {
  const ofAdded = new Map(section.tokens.length === 0 ? [] : added.map(({ content, id }) => [content, id]));
  const kept = tokens.length - added.length;
  const idOf = (token: string): number => {
    const id = own.ids.get(token);
    return id !== undefined && id < kept ? id : ofAdded.get(token)!;
  };
  const table = new Map<number, { source: RowSource; force: boolean }>();
  for (const { token, source, force } of section.tokens) {
    if (source === null) continue;
    const row = rowOf(token.value, source, models, vocabularies, report);
    if (row !== null) table.set(idOf(token.value), { source: row, force });
  }
  return table;
}

function rowOf(token: string, { value, at }: NonNullable<TokenizerSection["tokens"][number]["source"]>, models: readonly VocabularyModel[], vocabularies: readonly Vocabulary[], report: Report): RowSource | null {
  if (value.kind === "zero") return value;
  const model = models.findIndex(({ reference }) => sameReference(reference, value.model));
  if (model < 0) return null;
  const { label, rows, merged } = models[model]!;
  const wanted = value.token ?? token;
  const row = value.id ?? vocabularies[model]!.ids.get(wanted);
  if (row === undefined) {
    report("error", "token-source-unknown", `${label} has no token ${quote(wanted)}: name one that it has with "token", or its row with "token_id"`, at);
    return null;
  }
  if (rows === null) {
    report("error", "token-source-unknown", `${label} has no token embedding to take the row of ${quote(token)} from`, at);
    return null;
  }
  if (row >= rows) {
    report("error", "token-id-outside", `the token id ${grouped(row)} is outside the embedding of ${label}, which has ${grouped(rows)} rows`, at);
    return null;
  }
  if (!merged) report("warning", "token-source-not-merged", `${label} is not among the models that are merged: the row of ${quote(token)} is all that is taken from it`, at);
  return { kind: "row", model, row };
}
