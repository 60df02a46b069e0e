/** The tokens of a model and their ids, from its `tokenizer.json` (Hugging Face tokenizers). */
import { CheckpointError, type SourceOpener } from "../../checkpoint/checkpoint";
import { JsonReader, type Json } from "../../checkpoint/json-reader";
import { grouped, quote } from "../../checkpoint/quote";
import { readText, type BesideFile } from "./files";

/** The largest in use have some 35 MB. */
const MAX_BYTES = 1 << 28;

/** The largest vocabularies have some 300,000 tokens; every id is a row. */
const MOST_IDS = 1 << 24;

/** Ids may have gaps, but lists by id take no more than the file's tokens warrant. */
const MOST_GAPS = 1 << 16;

/** A token that is cut out of the text before the model splits it, as the file describes it: `id`, `content` and its flags. */
export type AddedToken = { readonly [key: string]: Json } & { readonly id: number; readonly content: string };

export interface Vocabulary {
  file: string;
  /** Every token, the added ones among them. */
  ids: ReadonlyMap<string, number>;
  /** By id; undefined where ids have a gap. */
  tokens: readonly (string | undefined)[];
  /** In the order of the file. */
  added: readonly AddedToken[];
  /** The bytes of the file that list them; null when it does not. */
  addedAt: { start: number; end: number } | null;
  /** Size of the file. */
  bytes: number;
}

const cache = new Map<string, { stamp: string; vocabulary: Promise<Vocabulary> }>();
const MOST_CACHED = 8;

/**
 * The vocabulary of a `tokenizer.json`. Files that did not change since they were last read are not read again.
 * @throws CheckpointError with one sentence when the file is damaged, or no such file.
 */
export async function readVocabulary(file: BesideFile, name: string, sources: SourceOpener): Promise<Vocabulary> {
  if ("text" in file) return parseVocabulary(Buffer.from(file.text, "utf8"), name);
  const source = await sources.open(file.from);
  let stamp: string;
  try {
    stamp = `${await source.size()} ${await source.modified()}`;
  } finally {
    await source.close();
  }
  const known = cache.get(file.from);
  if (known?.stamp === stamp) return known.vocabulary;
  const vocabulary = readText(file, MAX_BYTES, sources).then((bytes) => parseVocabulary(bytes, file.from));
  cache.delete(file.from);
  cache.set(file.from, { stamp, vocabulary });
  for (const [path] of cache) if (cache.size > MOST_CACHED) cache.delete(path);
  vocabulary.catch(() => cache.delete(file.from));
  return vocabulary;
}

/** @throws CheckpointError `"malformed"`. */
export function parseVocabulary(bytes: Uint8Array, file: string): Vocabulary {
  const reader = new JsonReader(bytes, { file, what: "tokenizer.json" });
  const ids = new Map<string, number>();
  const owners = new Map<number, string>();
  const added: AddedToken[] = [];
  let addedAt: Vocabulary["addedAt"] = null;
  const seen = new Set<string>();
  let modelSeen = false;
  const add = (token: string, id: number, offset: number, scored = false): void => {
    const before = ids.get(token);
    // In a list of tokens with scores the last of several counts, as in tokenizers; the rows of the others have no token.
    if (before !== undefined && before < id && scored) owners.delete(before);
    else if (before !== undefined && before !== id) reader.failAt(`tokenizer.json gives the token ${quote(token)} the ids ${before} and ${id}`, offset);
    const owner = owners.get(id);
    if (owner !== undefined && owner !== token) reader.failAt(`tokenizer.json gives the id ${id} to the tokens ${quote(owner)} and ${quote(token)}`, offset);
    if (id >= MOST_IDS) reader.failAt(`tokenizer.json gives the token ${quote(token)} the id ${grouped(id)}; ids below ${grouped(MOST_IDS)} are supported`, offset);
    ids.set(token, id);
    owners.set(id, token);
  };
  if (reader.next() !== "object") reader.failHere(`tokenizer.json holds ${reader.shown()} where an object should be`);
  reader.object((key, offset) => {
    if (seen.size === seen.add(key).size) reader.failAt(`the key ${quote(key)} appears twice in tokenizer.json, again at byte ${offset}`, offset);
    if (key === "added_tokens" && reader.next() === "array") {
      const start = reader.position();
      reader.array(() => {
        const at = reader.position();
        const token = addedToken(reader.value(), at, reader);
        add(token.content, token.id, at);
        added.push(token);
      });
      addedAt = { start, end: reader.position() };
    } else if (key === "model") {
      if (reader.next() !== "object") reader.failHere(`tokenizer.json's "model" is ${reader.shown()} where an object should be`);
      readModel(reader, add);
      modelSeen = true;
    } else reader.skip();
  });
  reader.end();
  if (!modelSeen) throw new CheckpointError("malformed", `tokenizer.json has no "model"`, file, { key: "model" });
  if (ids.size === 0) throw new CheckpointError("malformed", "tokenizer.json has no tokens", file, { key: "model" });
  let last = 0;
  for (const id of owners.keys()) last = Math.max(last, id);
  if (last > MOST_GAPS + 4 * ids.size) throw new CheckpointError("malformed", `tokenizer.json has ${grouped(ids.size)} tokens and gives ${quote(owners.get(last)!)} the id ${grouped(last)}`, file, { key: "model" });
  return { file, ids, tokens: Array.from({ length: last + 1 }, (_, id) => owners.get(id)), added, addedAt, bytes: bytes.length };
}

type Add = (token: string, id: number, offset: number, scored?: boolean) => void;

function readModel(reader: JsonReader, add: Add): void {
  let found = false;
  reader.object((key) => {
    if (key !== "vocab") return reader.skip();
    if (found) reader.failHere(`tokenizer.json has two vocabularies`);
    found = true;
    const own = new Set<string>();
    switch (reader.next()) {
      case "object":
        return reader.object((token, offset) => {
          if (own.size === own.add(token).size) reader.failAt(`the token ${quote(token)} appears twice in the vocabulary of tokenizer.json, again at byte ${offset}`, offset);
          add(token, readId(reader, token), offset);
        });
      case "array":
        return reader.array((id) => {
          const offset = reader.position();
          add(readScored(reader), id, offset, true);
        });
      default:
        reader.failHere(`the vocabulary of tokenizer.json is ${reader.shown()} where tokens with their ids should be`);
    }
  });
  if (!found) reader.failHere(`tokenizer.json's "model" has no "vocab"`);
}

function readId(reader: JsonReader, token: string): number {
  if (!reader.atInteger()) reader.failHere(`tokenizer.json gives the token ${quote(token)} the id ${reader.shown()}; an id is a whole number from 0`);
  return Number(reader.integer());
}

/** A token of a unigram model: `[text, score]`. */
function readScored(reader: JsonReader): string {
  const fail = (): never => reader.failHere(`the vocabulary of tokenizer.json holds ${reader.shown()} where a token with its score should be`);
  if (reader.next() !== "array") fail();
  let token: string | undefined;
  reader.array((i) => {
    if (i > 0) return reader.skip();
    if (reader.next() !== "string") fail();
    token = reader.string();
  });
  return token ?? fail();
}

function addedToken(value: Json, offset: number, reader: JsonReader): AddedToken {
  const fail = (why: string): never => reader.failAt(`an added token of tokenizer.json ${why}, at byte ${offset}`, offset);
  if (typeof value !== "object" || value === null || Array.isArray(value)) return fail("is no object");
  const { id, content } = value;
  if (typeof content !== "string") return fail(`has no "content"`);
  if (typeof id !== "number" || !Number.isInteger(id) || id < 0) return fail(`(${quote(content)}) has no id that is a whole number from 0`);
  return { ...value, id, content };
}
