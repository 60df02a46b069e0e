/** What could be written at the cursor: keys, methods with their parameters, models, tensors and layers from headers. */
import { CompletionItemKind, InsertTextFormat, InsertTextMode, MarkupKind, type CompletionItem, type Position } from "vscode-languageserver";
import type { MergeMethodEntry } from "../merge/methods/method";
import { METHODS, methodNamed, parameterOf } from "../merge/methods/registry";
import type { MergeModel } from "../merge/models/model";
import type { ModelStore } from "../merge/models/store";
import { ModelReferenceError, parseReference } from "../merge/recipe/model-reference";
import { DTYPES } from "../merge/recipe/read";
import { CHAT_TEMPLATES } from "../merge/recipe/tokenizer-section";
import { cursorAt, type Cursor } from "./cursor";
import { documentLines, methodOf, modelBeside, modelsNamed } from "./lines";
import { KEYS, levelOf, type Key } from "./keys";
import { methodMarkdown, parameterMarkdown } from "./method-text";
import { layerCountOf, openModel, pathsFrom } from "./models";
import type { RecipeState } from "./recipe-state";

export async function complete(state: RecipeState, position: Position, models: ModelStore): Promise<CompletionItem[]> {
  const { line } = position;
  const text = state.lines[line] ?? "";
  if (/(?:^|\s)#/.test(text.slice(0, position.character))) return [];
  const completion = new Completion(state, line, cursorAt(state.lines, position), models);
  return completion.cursor.key === null ? completion.keys() : completion.values(completion.cursor.key);
}

class Completion {
  private readonly method: MergeMethodEntry | undefined;

  constructor(private readonly state: RecipeState, private readonly line: number, readonly cursor: Cursor, private readonly models: ModelStore) {
    this.method = methodNamed(methodOf(state.lines, line) ?? "");
  }

  keys(): CompletionItem[] {
    const { path } = this.cursor;
    const level = levelOf(path);
    if (level === "parameters") return this.parameters(path.at(-2) === "[]" && path.at(-3) !== "slices");
    if (level === "modules") return ["default", "encoder", "decoder", "shared"].map((name) => this.item(name, CompletionItemKind.Module, { insert: `${name}:\n${this.indent(1)}` }));
    if (level === "unknown" || level === "tokens") return [];
    return KEYS[level].filter(({ name }) => (name !== "statistics" || this.method?.statistics !== undefined) && (name === this.cursor.word || !this.has(name))).map((key, i) => this.key(key, i));
  }

  async values(key: string): Promise<CompletionItem[]> {
    const { path } = this.cursor;
    const level = levelOf(path);
    if (level === "document" && key === "merge_method") return METHODS.map((method, i) => this.item(method.name, CompletionItemKind.Function, { detail: method.summary, documentation: methodMarkdown(method), order: i }));
    if (key === "dtype" || key === "out_dtype") return DTYPES.map((name, order) => this.item(name, CompletionItemKind.EnumMember, { order }));
    if (level === "document" && key === "profile") return this.words(["mergekit", "paper"]);
    if (level === "document" && key === "unmatched") return this.words(["base", "error"]);
    if (level === "document" && key === "non_finite") return this.words(["propagate", "error"]);
    if (level === "document" && key === "chat_template") return this.words(CHAT_TEMPLATES);
    if (key === "kind") return this.words(["model_token", "zero"]);
    if (key === "force") return this.words(["true", "false"]);
    if (key === "tokenizer_source" || (level === "tokenizer" && key === "source")) return [...this.words(["union", "base"]), ...(await this.paths(false))];
    if (key === "model" || key === "base_model" || key === "lora" || (level === "token" && key === "source")) return this.paths(false);
    if (key === "statistics" || key === "file") return this.paths(true);
    if (key === "layer_range") return this.layers();
    if (level === "filter" && key === "filter") return this.filters();
    return this.parameterValues(level === "filter" ? (path.findLast((each) => each !== "[]") ?? key) : key);
  }

  private parameters(ofModel: boolean): CompletionItem[] {
    const methods = this.method === undefined ? METHODS : [this.method];
    const seen = new Set<string>();
    const items: CompletionItem[] = [];
    for (const method of methods) {
      for (const parameter of method.parameters) {
        if ((ofModel && parameter.scope === "global") || seen.has(parameter.name) || (parameter.name !== this.cursor.word && this.has(parameter.name))) continue;
        seen.add(parameter.name);
        const value = typeof parameter.default === "number" || typeof parameter.default === "boolean" ? String(parameter.default) : parameter.scope === "model" ? "1.0" : "0.5";
        items.push(this.item(parameter.name, CompletionItemKind.Property, { detail: parameter.meaning, documentation: parameterMarkdown(method, parameter), order: (parameter.required ? 0 : 100) + items.length, insert: `${parameter.name}: \${1:${value}}` }));
      }
    }
    return items;
  }

  private parameterValues(name: string): CompletionItem[] {
    const parameter = this.method === undefined ? undefined : parameterOf(this.method, name);
    if (parameter === undefined) return [];
    if (parameter.type === "boolean") return this.words(["true", "false"]);
    return [
      ...(typeof parameter.default === "number" ? [this.item(String(parameter.default), CompletionItemKind.Value, { detail: "default" })] : []),
      ...(this.cursor.flow ? [] : [this.item("gradient", CompletionItemKind.Snippet, { detail: "a value for each of several points over the layers", insert: "[${1:0.0}, ${2:0.5}, ${3:1.0}]", order: 1 }), this.item("filters", CompletionItemKind.Snippet, { detail: "values by the tensor's name", insert: `\n${this.indent(1)}- filter: \${1:mlp}\n${this.indent(1)}  value: \${2:0.5}\n${this.indent(1)}- value: \${3:1.0}`, order: 2 })]),
    ];
  }

  private async paths(files: boolean): Promise<CompletionItem[]> {
    const { prefix } = this.cursor;
    const quoted = /^["']/.exec(prefix)?.[0] ?? "";
    const plus = prefix.lastIndexOf("+") + 1;
    const head = files ? quoted : prefix.slice(0, Math.max(plus, quoted.length)) + (/^\s*/.exec(prefix.slice(plus))?.[0] ?? "");
    const typed = prefix.slice(head.length);
    const found = await pathsFrom(typed, this.state, files);
    const names = files || plus > 0 ? [] : this.state.recipe.documents.flatMap(({ name }) => name?.value ?? []);
    const kinds = { model: CompletionItemKind.Class, adapter: CompletionItemKind.Interface, folder: CompletionItemKind.Folder, file: CompletionItemKind.File };
    return [
      ...names.map((name) => this.item(name, CompletionItemKind.Reference, { detail: "document of this recipe", insertPlain: head + name })),
      ...found.map(({ path, what }) => this.item(path, kinds[what], { detail: what, insertPlain: head + path + (what === "folder" ? "/" : ""), filter: head + path, order: (plus > 0) === (what === "adapter") && what !== "folder" ? 0 : what === "folder" ? 2 : 1 })),
    ];
  }

  /** Ranges and numbers of the layers of the model that stands beside. */
  private async layers(): Promise<CompletionItem[]> {
    const model = await this.open(modelBeside(this.state.lines, this.line));
    const count = model === null ? 0 : layerCountOf(model);
    if (count === 0) return [];
    if (!this.cursor.flow) return [this.item(`[0, ${count}]`, CompletionItemKind.Value, { detail: `all ${count} layers` }), ...(count > 1 ? [this.item(`[0, ${count >> 1}]`, CompletionItemKind.Value, { detail: "the first half", order: 1 }), this.item(`[${count >> 1}, ${count}]`, CompletionItemKind.Value, { detail: "the second half", order: 2 })] : [])];
    return Array.from({ length: count + 1 }, (_, layer) => this.item(String(layer), CompletionItemKind.Value, { detail: layer === count ? "end: after the last layer" : `layer ${layer}`, order: layer }));
  }

  /** Parts of names and whole names, from the headers of the models that the document names. */
  private async filters(): Promise<CompletionItem[]> {
    const parts = new Map<string, number>();
    const layers = new Set<string>();
    for (const name of modelsNamed(this.state.lines, this.line)) {
      const model = await this.open(name);
      if (model === null) continue;
      for (const { name: tensor, place } of model.tensors.values()) {
        for (const part of (place?.inLayer ?? tensor).split(".")) if (part !== "weight" && part !== "bias" && !/^\d+$/.test(part)) parts.set(part, (parts.get(part) ?? 0) + 1);
        if (place !== null) layers.add(`${place.stack.split(".").at(-1)}.${place.layer}.`);
      }
      // Models of a merge have the same names.
      break;
    }
    return [
      this.item('"*"', CompletionItemKind.Keyword, { detail: "all tensors" }),
      ...[...parts].map(([part, count], i) => this.item(part, CompletionItemKind.Field, { detail: `${count} ${count === 1 ? "tensor" : "tensors"}`, order: i + 1 })),
      ...[...layers].slice(0, 200).map((layer, i) => this.item(layer, CompletionItemKind.Struct, { detail: "all tensors of a layer", order: 1000 + i })),
    ];
  }

  private async open(name: string | undefined): Promise<MergeModel | null> {
    if (name === undefined) return null;
    try {
      return await openModel(this.state, parseReference(name), this.models);
    } catch (error) {
      if (error instanceof ModelReferenceError) return null;
      throw error;
    }
  }

  private words(words: readonly string[]): CompletionItem[] {
    return words.map((word, order) => this.item(word, CompletionItemKind.EnumMember, { order }));
  }

  private key({ name, meaning, insert, extension }: Key, order: number): CompletionItem {
    const value = (insert ?? " ").split("\n").map((line, i) => (i === 0 ? line : this.indent(0) + line.replaceAll("\t", "  "))).join("\n");
    return this.item(name, CompletionItemKind.Property, { ...(extension === true ? { detail: "extension" } : {}), documentation: meaning, order, insert: this.cursor.flow ? `${name}: ` : `${name}:${value}` });
  }

  /** Whether the mapping that the cursor is in has the key already. */
  private has(name: string): boolean {
    const { path, flow, line, range } = this.cursor;
    if (flow) return new RegExp(`[{,]\\s*${name}\\s*:`).test(line);
    const column = range.start.character;
    const [start, end] = documentLines(this.state.lines, this.line);
    const own = (i: number): number => /^(?: *- +)*/.exec(this.state.lines[i]!)![0].length;
    const here = (i: number): boolean => path.length === 0 || own(i) === column || /^ */.exec(this.state.lines[i]!)![0].length === column;
    for (const step of [-1, 1]) {
      for (let i = this.line + (step === 1 ? 1 : 0); i >= start && i < end; i += step) {
        const text = this.state.lines[i]!;
        if (text.trim() === "" || /^\s*#/.test(text)) continue;
        const indent = /^ */.exec(text)![0].length;
        if (i !== this.line && indent < column && own(i) !== column) break;
        if (here(i) && text.slice(path.length === 0 ? 0 : column).startsWith(`${name}:`)) return true;
        if (indent < column) break;
        if (step === 1 && own(i) === column && indent < column) break;
      }
    }
    return false;
  }

  private indent(more: number): string {
    return " ".repeat((this.cursor.key === null ? this.cursor.range.start.character : /^ *(?:- +)*/.exec(this.cursor.line)![0].length) + 2 * more);
  }

  private item(label: string, kind: CompletionItemKind, { detail, documentation, insert, insertPlain, filter, order = 0 }: { detail?: string; documentation?: string; insert?: string; insertPlain?: string; filter?: string; order?: number } = {}): CompletionItem {
    return {
      label,
      kind,
      sortText: String(order).padStart(5, "0"),
      textEdit: { range: this.cursor.range, newText: insert ?? insertPlain ?? label },
      filterText: filter ?? insertPlain ?? label,
      ...(insert === undefined ? {} : { insertTextFormat: InsertTextFormat.Snippet, insertTextMode: InsertTextMode.asIs }),
      ...(detail === undefined ? {} : { detail }),
      ...(documentation === undefined ? {} : { documentation: { kind: MarkupKind.Markdown, value: documentation } }),
    };
  }
}
