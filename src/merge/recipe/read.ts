/** A recipe's text → `Recipe`. Needs the text and the registry of methods, no model. */
import { isMap, type Node } from "yaml";
import { quote } from "../../checkpoint/quote";
import type { Problem } from "../problem";
import { absent, misplaced, readModels, readModules, readSlices } from "./body";
import { checkDocument } from "./check";
import { checkDocuments } from "./documents";
import { readParameters, emptyTable } from "./parameter-values";
import { kindOf, Reader } from "./reader";
import type { Body, Located, MergeDocument, Recipe, RecipeDtype } from "./recipe";
import { readChatTemplate, readTokenizer, readTokenizerSource } from "./tokenizer-section";
import { YamlText, type YamlDocument } from "./yaml";

export const DTYPES: readonly RecipeDtype[] = ["bfloat16", "float16", "float32", "float64", "int64"];
/** What people write for them. */
const DTYPE_NAMES: Readonly<Record<string, RecipeDtype>> = { bf16: "bfloat16", fp16: "float16", f16: "float16", half: "float16", fp32: "float32", f32: "float32", float: "float32", single: "float32", fp64: "float64", f64: "float64", double: "float64", long: "int64" };

/**
 * Reads a recipe. Never throws: what is wrong is among its problems, by line.
 * @param path of the file, for messages and relative paths; it is not opened.
 */
export function readRecipe(text: string, path: string): Recipe {
  const yaml = new YamlText(text);
  const problems: Problem[] = [...yaml.problems];
  const documents: MergeDocument[] = [];
  for (const document of yaml.documents) {
    // Half a mapping says nothing reliable about what is missing in it.
    if (document.failed) continue;
    const reader = new Reader(yaml, document, problems);
    for (const { node, tag } of document.tags()) reader.error("tag", node, `the tag ${quote(tag)} is not used in recipes; leave it out`);
    const read = readDocument(reader);
    if (read !== null) documents.push(read);
  }
  if (yaml.documents.length === 0 && problems.length === 0) problems.push({ severity: "error", code: "empty", message: "the recipe is empty; it needs merge_method and one of models, slices and modules", at: yaml.between(0, 0) });
  checkDocuments(documents, problems);
  problems.sort((a, b) => a.at.line - b.at.line || a.at.column - b.at.column);
  return { path, text, documents, problems };
}

function readDocument(reader: Reader): MergeDocument | null {
  const { contents } = reader.document;
  const map = reader.resolve(contents);
  if (!isMap(map)) return reader.error(contents === null ? "empty" : "not-a-mapping", contents, `a recipe is a mapping with merge_method and one of models, slices and modules, not ${kindOf(map)}`);
  const document: MergeDocument = {
    at: reader.place(contents),
    text: textOf(reader.yaml, reader.document),
    name: null,
    method: null,
    base: null,
    body: null,
    parameters: emptyTable(),
    dtype: null,
    outDtype: null,
    tokenizer: null,
    chatTemplate: null,
    profile: null,
    seed: null,
    unmatched: null,
    nonFinite: null,
  };
  const forms: { name: string; key: Node; read(): Body | null }[] = [];
  const form = (name: string, read: (value: Node | null, key: Node) => Body | null) => (value: Node | null, key: Node) => {
    if (!absent(reader, value)) forms.push({ name, key, read: () => read(value, key) });
  };
  let methodKey: Node | undefined;
  let tokenizerKey: Node | undefined;
  let shortKey: Node | undefined;
  const optional = (read: (value: Node | null, key: Node) => void) => (value: Node | null, key: Node) => {
    if (!reader.empty(value)) read(value, key);
  };
  reader.fields(
    contents,
    "the recipe",
    {
      merge_method: (value, key) => {
        methodKey = key;
        document.method = reader.text(value, "merge_method");
      },
      models: form("models", (value, key) => readModels(reader, value, key)),
      slices: form("slices", (value, key) => readSlices(reader, value, key)),
      modules: form("modules", (value, key) => readModules(reader, value, key)),
      base_model: optional((value) => (document.base = reader.model(value, "base_model"))),
      parameters: optional((value) => (document.parameters = readParameters(reader, value))),
      dtype: optional((value) => (document.dtype = readDtype(reader, value, "dtype"))),
      out_dtype: optional((value) => (document.outDtype = readDtype(reader, value, "out_dtype"))),
      tokenizer_source: optional((value, key) => {
        shortKey = key;
        document.tokenizer ??= readTokenizerSource(reader, value);
      }),
      tokenizer: optional((value, key) => {
        tokenizerKey = key;
        document.tokenizer = readTokenizer(reader, value);
      }),
      chat_template: optional((value) => (document.chatTemplate = readChatTemplate(reader, value))),
      name: optional((value) => (document.name = reader.text(value, "name"))),
      profile: optional((value) => (document.profile = reader.word(value, "profile", ["mergekit", "paper"]))),
      seed: optional((value) => (document.seed = reader.integer(value, "seed", 0))),
      unmatched: optional((value) => (document.unmatched = reader.word(value, "unmatched", ["base", "error"]))),
      non_finite: optional((value) => (document.nonFinite = reader.word(value, "non_finite", ["error", "propagate"]))),
    },
    misplaced,
  );
  if (methodKey === undefined) reader.error("missing-method", firstKey(map), 'the recipe has no merge_method; "linear" averages the models');
  const [first, second] = forms;
  if (first === undefined) reader.error("no-inputs", firstKey(map), "one of models, slices and modules must say what is merged; none of them is given");
  if (second !== undefined) reader.error("several-forms", second.key, `${first!.name} and ${second.name} are both given; keep one of them`);
  document.body = first?.read() ?? null;
  if (tokenizerKey !== undefined && shortKey !== undefined) {
    const later = [tokenizerKey, shortKey].sort((a, b) => b.range![0] - a.range![0])[0]!;
    reader.error("tokenizer-twice", later, "tokenizer_source and tokenizer exclude each other; write tokenizer: {source: …} alone");
  }
  checkDocument(reader, document);
  return document;
}

function firstKey(map: Node): Node {
  return (isMap(map) ? (map.items[0]?.key as Node | undefined) : undefined) ?? map;
}

function readDtype(reader: Reader, node: Node | null, what: string): Located<RecipeDtype> | null {
  const text = reader.text(node, what);
  if (text === null) return null;
  const name = text.value.replace(/^torch\./, "");
  const dtype = DTYPES.find((known) => known === name);
  if (dtype === "int64") reader.report("warning", "dtype", text.at, `${what} int64 cuts every value to a whole number; do you mean bfloat16?`, [{ title: "Change to bfloat16", at: text.at, text: "bfloat16" }]);
  if (dtype !== undefined) return { value: dtype, at: text.at };
  const meant = Object.hasOwn(DTYPE_NAMES, name.toLowerCase()) ? DTYPE_NAMES[name.toLowerCase()] : undefined;
  const fixes = meant === undefined ? reader.replacements(text.at, name, DTYPES) : [{ title: `Change to ${meant}`, at: text.at, text: meant }];
  return reader.error("unknown-dtype", text.at, `${quote(text.value)} is not a dtype${fixes === undefined ? "" : `; ${fixes[0]!.text} is`}. There are ${DTYPES.join(", ")}`, fixes);
}

/** The document's part of the text, without `---` and `...` around it. */
function textOf(yaml: YamlText, { document }: YamlDocument): string {
  const [start, , end] = document.range;
  return yaml.text
    .slice(start, end)
    .replace(/^(?:[ \t]*(?:#[^\n]*)?\r?\n)*---[ \t]*\r?\n/, "")
    .replace(/^---[ \t]+(?=\S)/, "")
    .replace(/\r?\n\.\.\.[ \t]*\r?\n?$/, "\n");
}
