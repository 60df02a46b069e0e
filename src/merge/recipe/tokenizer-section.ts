/** Reads `tokenizer_source`, `tokenizer` and `chat_template`. */
import { isMap, type Node } from "yaml";
import { quote } from "../../checkpoint/quote";
import { kindOf, listed, type Reader } from "./reader";
import type { Located, ModelReference, TokenizerSection, TokenSource } from "./recipe";

/** Templates that go by a name. */
export const CHAT_TEMPLATES = ["auto", "alpaca", "chatml", "exaone", "llama3", "mistral"] as const;

export function readTokenizerSource(reader: Reader, node: Node | null): TokenizerSection | null {
  const source = readSource(reader, node, "tokenizer_source");
  return source === null ? null : { at: reader.place(node), short: true, source, tokens: [], padToMultipleOf: null };
}

export function readTokenizer(reader: Reader, node: Node | null): TokenizerSection | null {
  const section: TokenizerSection = { at: reader.place(node), short: false, source: { value: "union", at: reader.place(node) }, tokens: [], padToMultipleOf: null };
  const read = reader.fields(node, "tokenizer", {
    source: (value) => reader.empty(value) || (section.source = readSource(reader, value, "source") ?? section.source),
    tokens: (value) => reader.empty(value) || (section.tokens = readTokens(reader, value)),
    pad_to_multiple_of: (value) => reader.empty(value) || (section.padToMultipleOf = reader.integer(value, "pad_to_multiple_of", 1)),
  });
  return read ? section : null;
}

function readSource(reader: Reader, node: Node | null, what: string): TokenizerSection["source"] | null {
  const value = reader.plain(node);
  if (value === "union" || value === "base") return { value, at: reader.place(node) };
  return reader.model(node, what);
}

function readTokens(reader: Reader, node: Node | null): TokenizerSection["tokens"] {
  const map = reader.resolve(node);
  if (!isMap(map)) {
    reader.error("not-a-mapping", node, `tokens should be a mapping of tokens to their source, not ${kindOf(map)}`);
    return [];
  }
  return reader.entries(map).flatMap(({ key, value }) => {
    const token = reader.text(key, "a token");
    if (token === null) return [];
    let source: Located<TokenSource> | null = null;
    let force: { value: boolean; key: Node } | undefined;
    const read = reader.fields(value, `the token ${quote(token.value)}`, {
      source: (from) => reader.empty(from) || (source = readTokenSource(reader, from)),
      force: (truth, key) => (force = { value: reader.truth(truth, "force"), key }),
    });
    if (!read) return [];
    if (force?.value === true && source === null) reader.error("force-without-source", force.key, `force replaces the embedding of ${quote(token.value)} in every model and needs a "source" that says by what`);
    return [{ token, source, force: force?.value ?? false }];
  });
}

function readTokenSource(reader: Reader, node: Node | null): Located<TokenSource> | null {
  const target = reader.resolve(node);
  if (!isMap(target) || !reader.entries(target).some(({ key }) => reader.keyText(key) === "kind")) {
    const model = reader.model(node, "source");
    return model === null ? null : { value: { kind: "model", model: model.value }, at: model.at };
  }
  let kind: "model_token" | "zero" | undefined;
  let model: ModelReference | undefined;
  let token: string | undefined;
  let id: number | undefined;
  reader.fields(target, "a token's source", {
    kind: (value) => (kind = reader.word(value, "kind", ["model_token", "zero"])?.value),
    model: (value) => (model = reader.model(value, "model")?.value),
    token: (value) => reader.empty(value) || (token = reader.text(value, "token")?.value),
    token_id: (value) => reader.empty(value) || (id = reader.integer(value, "token_id", 0)?.value),
  });
  if (kind === undefined) return null;
  if (kind === "zero") return { value: { kind: "zero" }, at: reader.place(node) };
  if (model === undefined) return reader.error("missing-key", node, 'a source of kind model_token needs "model"');
  if ((token === undefined) === (id === undefined)) return reader.error("token-source", node, "a source of kind model_token needs either token or token_id");
  return { value: { kind: "model", model, ...(token === undefined ? {} : { token }), ...(id === undefined ? {} : { id }) }, at: reader.place(node) };
}

export function readChatTemplate(reader: Reader, node: Node | null): Located<string> | null {
  const template = reader.text(node, "chat_template");
  if (template === null) return null;
  const { value, at } = template;
  const isName = value.length < 256 && !/[\n{]/.test(value);
  if (isName && !(CHAT_TEMPLATES as readonly string[]).includes(value)) return reader.error("chat-template", at, `${quote(value)} is neither a known chat template (${listed(CHAT_TEMPLATES, "or")}) nor a Jinja template`, reader.replacements(at, value, CHAT_TEMPLATES));
  if (!isName && (value.length < 20 || !value.includes("{"))) return reader.error("chat-template", at, 'a Jinja template has at least 20 characters and a "{"');
  return template;
}
