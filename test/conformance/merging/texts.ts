/** The files beside the weights: configuration, tokenizer, chat template, recipe and card. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { Expectation } from "./expectation";

type Json = Record<string, unknown>;
const text = (folder: string, name: string): string => readFileSync(join(folder, name), "utf8");
const json = (folder: string, name: string): Json => JSON.parse(text(folder, name)) as Json;

/** Keys whose values differ, or that one side lacks. */
function differing(a: Json, b: Json, ignored: readonly string[] = []): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((key) => !ignored.includes(key) && !(key in a && key in b && isDeepStrictEqual(a[key], b[key]))).sort();
}

export function checkConfig(out: string, expected: string, { config_any_of: anyOf = {} }: Expectation): string[] {
  if (!existsSync(join(out, "config.json"))) return ["config.json is missing"];
  const [want, got] = [expected, out].map((folder) => {
    const { torch_dtype: old, ...config } = json(folder, "config.json");
    return old === undefined || "dtype" in config ? config : { ...config, dtype: old };
  }) as [Json, Json];
  return differing(want, got, ["transformers_version", "_name_or_path"])
    .filter((key) => !(anyOf[key] ?? []).some((value) => isDeepStrictEqual(value, got[key])))
    .map((key) => `config.json: ${key} is ${JSON.stringify(got[key])}, expected ${JSON.stringify(want[key])}`);
}

/** @param recipe as it was given. */
export function checkCard(out: string, expected: string, recipe: string, { tool, card_models: models = [] }: Expectation): string[] {
  const wanted = existsSync(join(expected, "mergekit_config.yml"));
  const missing = ["mergekit_config.yml", "README.md"].filter((name) => existsSync(join(out, name)) !== wanted);
  if (missing.length > 0) return missing.map((name) => (wanted ? `${name} is missing` : `${name} was written although the card is switched off`));
  if (!wanted) return [];
  const card = text(out, "README.md");
  const [, front] = /^---\n(.*?)\n---\n/s.exec(card) ?? [];
  // Recipes of several documents were rewritten by the tool that made the expected files.
  const single = tool !== "mergekit-multi";
  return [
    ...(single && text(out, "mergekit_config.yml").trim() !== recipe.trim() ? ["mergekit_config.yml is not the recipe as given"] : []),
    ...["base_model:", "library_name: transformers", "mergekit", "merge"].filter((part) => front?.includes(part) !== true).map((part) => `README.md's front matter lacks ${part}`),
    ...(single && !card.includes(recipe.trim()) ? ["README.md does not contain the recipe"] : []),
    ...models.filter((name) => !card.includes(name)).map((name) => `README.md does not name ${name}`),
  ];
}

interface Tokenizer extends Json {
  model: { vocab: Record<string, number> | [string, number][] };
  added_tokens: { id: number; content: string; special: boolean }[];
}

const tokenizerOf = (folder: string): Tokenizer | null => (existsSync(join(folder, "tokenizer.json")) ? (json(folder, "tokenizer.json") as Tokenizer) : null);

function vocabularyOf({ model: { vocab }, added_tokens: added }: Tokenizer): Map<string, number> {
  const pairs = Array.isArray(vocab) ? vocab.map(([token], id): [string, number] => [token, id]) : Object.entries(vocab);
  return new Map([...pairs, ...added.map(({ content, id }): [string, number] => [content, id])]);
}

/** @returns what is wrong; and, where ids may differ, the row of the output that holds each expected row. */
export function checkTokenizer(out: string, expected: string, root: string, expect: Expectation): { problems: string[]; rows: number[] | null } {
  const how = expect.tokenizer ?? "none";
  const [want, got] = [tokenizerOf(expected), tokenizerOf(out)];
  if (want === null) return { problems: got !== null && how !== "any" ? ["tokenizer.json was written, and none is expected"] : [], rows: null };
  if (got === null) return { problems: ["tokenizer.json is missing"], rows: null };
  const problems: string[] = [];
  const rows = how === "token-map" ? checkVocabulary(want, got, root, expect, problems) : null;
  if (how !== "token-map") {
    const sorted = (tokenizer: Tokenizer): Json => ({ ...tokenizer, added_tokens: [...tokenizer.added_tokens].sort((a, b) => a.id - b.id) });
    problems.push(...differing(sorted(want), sorted(got)).map((key) => `tokenizer.json differs in ${key}`));
  }
  if (existsSync(join(expected, "tokenizer_config.json"))) {
    if (!existsSync(join(out, "tokenizer_config.json"))) problems.push("tokenizer_config.json is missing");
    else problems.push(...differing(json(expected, "tokenizer_config.json"), json(out, "tokenizer_config.json"), ["is_local", "local_files_only", "chat_template", "backend", "transformers_version"]).map((key) => `tokenizer_config.json differs in ${key}`));
  }
  for (const name of expect.verbatim_tokenizer === true ? ["tokenizer.json", "tokenizer_config.json", "generation_config.json", "chat_template.jinja"] : []) {
    if (existsSync(join(expected, name)) && !(existsSync(join(out, name)) && text(out, name) === text(expected, name))) problems.push(`${name} is no copy of the model's file`);
  }
  return { problems: [...problems, ...checkTemplate(out, expected, expect)], rows };
}

/** Ids of added tokens are in no defined order: tokens and rows are compared through their text. */
function checkVocabulary(want: Tokenizer, got: Tokenizer, root: string, { fixed_ids_from: fixed }: Expectation, problems: string[]): number[] | null {
  const [wanted, found] = [vocabularyOf(want), vocabularyOf(got)];
  const apart = [...wanted.keys(), ...found.keys()].filter((token) => wanted.has(token) !== found.has(token));
  if (apart.length > 0) {
    problems.push(`the vocabulary differs in ${JSON.stringify(apart.slice(0, 5))}`);
    return null;
  }
  const ids = (vocabulary: Map<string, number>): string => [...vocabulary.values()].sort((a, b) => a - b).join();
  if (ids(wanted) !== ids(found)) problems.push("ids are not those expected");
  if (fixed !== undefined) {
    for (const [token, id] of vocabularyOf(tokenizerOf(join(root, fixed))!)) if (wanted.get(token) === id && found.get(token) !== id) problems.push(`token ${JSON.stringify(token)} has id ${found.get(token)}, and the base's ${id} is kept`);
  }
  const added = new Map(got.added_tokens.map((token) => [token.content, token]));
  for (const { content, special } of want.added_tokens) if (special && added.get(content)?.special !== true) problems.push(`${JSON.stringify(content)} is no special token`);
  const byId = new Map([...wanted].map(([token, id]) => [id, token]));
  return Array.from({ length: wanted.size }, (_, id) => found.get(byId.get(id)!)!);
}

function templateOf(folder: string): string {
  if (existsSync(join(folder, "chat_template.jinja"))) return text(folder, "chat_template.jinja");
  const template = existsSync(join(folder, "tokenizer_config.json")) ? json(folder, "tokenizer_config.json").chat_template : undefined;
  return typeof template === "string" ? template : "";
}

function checkTemplate(out: string, expected: string, { chat_template_contains: parts }: Expectation): string[] {
  const template = templateOf(out);
  // Of templates that ship with other software only their markers are kept.
  if (parts !== undefined) return parts.filter((part) => !template.includes(part)).map((part) => `the chat template lacks ${part}`);
  return template.trim() === templateOf(expected).trim() ? [] : ["the chat template differs"];
}
