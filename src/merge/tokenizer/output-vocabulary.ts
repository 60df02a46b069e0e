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

interface Asked {
  own: Vocabulary;
  rows: number | null;
  others: readonly Vocabulary[];
  table: readonly string[];
}

/** The last answers: a recipe is planned again with every key that is typed. */
const answers: { asked: Asked; vocabulary: OutputVocabulary }[] = [];
const MOST_ANSWERS = 4;

/**
 * The ids of `own` stay. Tokens of `others` follow in their order: first the plain ones of each model, by id, then the added ones; of a
 * token that several have, the first one's flags count. Then the table's.
 * @param rows of the model's embedding; ids beyond it have no row and are left out. Null: all have one.
 * @param table strings of the token table.
 */
export function outputVocabulary(own: Vocabulary, rows: number | null, others: readonly Vocabulary[], table: readonly string[]): OutputVocabulary {
  const asked = { own, rows, others, table };
  const at = answers.findIndex((answer) => isEqual(answer.asked, asked));
  const [answer = { asked, vocabulary: build(asked) }] = at < 0 ? [] : answers.splice(at, 1);
  answers.unshift(answer);
  answers.length = Math.min(answers.length, MOST_ANSWERS);
  return answer.vocabulary;
}

function isEqual(a: Asked, b: Asked): boolean {
  const same = <T>(one: readonly T[], two: readonly T[]): boolean => one.length === two.length && one.every((each, i) => each === two[i]);
  return a.own === b.own && a.rows === b.rows && same(a.others, b.others) && same(a.table, b.table);
}

function build({ own, rows, others, table }: Asked): OutputVocabulary {
  const size = Math.min(own.tokens.length, rows ?? own.tokens.length);
  const tokens = own.tokens.slice(0, size);
  const known = new Set(tokens);
  const added: AddedToken[] = [];
  const add = (content: string, flags: { readonly [key: string]: unknown }): void => {
    if (known.has(content)) return;
    known.add(content);
    added.push({ ...flags, id: tokens.length, content });
    tokens.push(content);
  };
  for (const { tokens: theirs, added } of others) {
    const special = new Set(added.map(({ content }) => content));
    for (const token of theirs) if (token !== undefined && !special.has(token)) add(token, PLAIN);
  }
  for (const { added } of others) for (const token of added) add(token.content, token);
  for (const token of table) add(token, PLAIN);
  return { tokens, added, cut: size < own.tokens.length };
}

/** Flags of a token that is neither special nor takes whitespace beside it; in the order in which tokenizers writes them. */
const PLAIN = { id: 0, content: "", single_word: false, lstrip: false, rstrip: false, normalized: true, special: false };

/** The model's id of each of the output's tokens; −1 where it has none. */
export function idsIn(vocabulary: Vocabulary, output: OutputVocabulary): Int32Array {
  const known = ids.get(output) ?? new Map<Vocabulary, Int32Array>();
  ids.set(output, known);
  let found = known.get(vocabulary);
  if (found === undefined) known.set(vocabulary, (found = Int32Array.from(output.tokens, (token) => (token === undefined ? undefined : vocabulary.ids.get(token)) ?? -1)));
  return found;
}

const ids = new WeakMap<OutputVocabulary, Map<Vocabulary, Int32Array>>();
