/** The tokens of the output: those of one model, or of all, and those of the token table. */
import type { AddedToken, Vocabulary } from "./vocabulary";

export interface OutputVocabulary {
  /** By id; undefined where the model's ids have a gap. */
  tokens: readonly (string | undefined)[];
  /** What the file of the model lacks, with ids from its end on. */
  added: readonly AddedToken[];
  /** The file holds tokens beyond these: those are left out. */
  cut: boolean;
}

/**
 * The ids of `own` stay. Tokens of `others` follow in their order: first the plain ones of each model, by id, then the added ones; of a
 * token that several have, the first one's flags count. Then the table's.
 * @param rows of the model's embedding; ids beyond it have no row and are left out. Null: all have one.
 * @param table strings of the token table.
 */
export function outputVocabulary(own: Vocabulary, rows: number | null, others: readonly Vocabulary[], table: readonly string[]): OutputVocabulary {
  const size = Math.min(own.size, rows ?? own.size);
  const tokens: (string | undefined)[] = Array.from({ length: size }, () => undefined);
  const known = new Set<string>();
  for (const [token, id] of own.ids) {
    if (id >= size) continue;
    tokens[id] = token;
    known.add(token);
  }
  const added: AddedToken[] = [];
  const add = (content: string, flags: { readonly [key: string]: unknown }): void => {
    if (known.has(content)) return;
    known.add(content);
    added.push({ ...flags, id: tokens.length, content });
    tokens.push(content);
  };
  for (const { ids, added } of others) {
    const special = new Set(added.map(({ content }) => content));
    const plain = [...ids].filter(([token]) => !special.has(token)).sort(([, a], [, b]) => a - b);
    for (const [token] of plain) add(token, PLAIN);
  }
  for (const { added } of others) for (const token of added) add(token.content, token);
  for (const token of table) add(token, PLAIN);
  return { tokens, added, cut: size < own.size };
}

/** Flags of a token that is neither special nor takes whitespace beside it; in the order in which tokenizers writes them. */
const PLAIN = { id: 0, content: "", single_word: false, lstrip: false, rstrip: false, normalized: true, special: false };
