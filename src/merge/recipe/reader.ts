/** Reads values out of YAML nodes and reports what does not fit, at its place. */
import { isMap, isScalar, isSeq, type Node } from "yaml";
import { grouped, quote } from "../../checkpoint/quote";
import type { Fix, Place, Problem } from "../problem";
import { nearest } from "./nearest";
import { parsePart, parseReference, ModelReferenceError } from "./model-reference";
import type { Located, ModelReference } from "./recipe";
import { numberFromText, plainValue, truthOf, type Plain } from "./scalar";
import { MergeKeyError, type YamlDocument, type YamlText } from "./yaml";

/** What a key does with its value. A value of null stands for an empty one. */
export type Fields = Record<string, (value: Node | null, key: Node) => void>;

const MOST_PROBLEMS = 500;

export class Reader {
  constructor(readonly yaml: YamlText, readonly document: YamlDocument, readonly problems: Problem[]) {}

  report(severity: Problem["severity"], code: string, at: Node | Place | null, message: string, fixes?: Fix[]): void {
    if (this.problems.length > MOST_PROBLEMS) return;
    const place = at !== null && "line" in at ? at : this.yaml.place(at);
    if (this.problems.length === MOST_PROBLEMS) this.problems.push({ severity: "error", code: "too-many-problems", message: `the recipe has more than ${grouped(MOST_PROBLEMS)} problems; those after this place are not listed`, at: place });
    else this.problems.push({ severity, code, message, at: place, ...(fixes === undefined ? {} : { fixes }) });
  }

  error(code: string, at: Node | Place | null, message: string, fixes?: Fix[]): null {
    this.report("error", code, at, message, fixes);
    return null;
  }

  place(node: Node | null): Place {
    return this.yaml.place(node);
  }

  /** The node without aliases. An unknown alias is reported and stands for nothing. */
  resolve(node: Node | null): Node | null {
    const target = this.document.resolve(node);
    return target === undefined ? this.error("unknown-alias", node, `nothing above is called ${quote(node === null ? "" : this.source(node).replace(/^\*/, "&"))}; define it before it is used`) : target;
  }

  /** Text of the node as it stands in the recipe. */
  source(node: Node): string {
    const [start, end] = node.range ?? [0, 0];
    return this.yaml.text.slice(start, Math.min(end, start + 500));
  }

  /**
   * Walks over a mapping's entries. Keys that `fields` does not have are warned of, as mergekit drops them without a word.
   * @param what names the mapping: `"the recipe"`. @param other answers for a key that is none of the fields; false: unknown.
   * @returns whether it is a mapping.
   */
  fields(node: Node | null, what: string, fields: Fields, other: (name: string, key: Node) => string | undefined = () => undefined): boolean {
    const map = this.resolve(node);
    if (!isMap(map)) {
      this.error("not-a-mapping", node, `${what} should be a mapping with ${listed(Object.keys(fields))}, not ${kindOf(map)}`);
      return false;
    }
    const seen = new Map<string, Node>();
    for (const { key } of this.entries(map)) {
      const name = this.keyText(key);
      const read = name !== null && Object.hasOwn(fields, name) ? fields[name] : undefined;
      if (read === undefined) {
        const { message, fixes } = this.unknownKey(name, key, what, Object.keys(fields), name === null ? undefined : other(name, key));
        this.report("warning", "unknown-key", key, message, fixes);
        continue;
      }
      const before = seen.get(name!);
      if (before !== undefined) this.report("warning", "duplicate-key", before, `${name} is given again on line ${this.place(key).line}, which wins`);
      seen.set(name!, key);
    }
    // The last of equal keys counts.
    for (const { key, value } of this.entries(map)) {
      const name = this.keyText(key);
      if (name !== null && seen.get(name) === key) fields[name]!(this.resolve(value), key);
    }
    return true;
  }

  private unknownKey(name: string | null, key: Node, what: string, known: string[], said: string | undefined): { message: string; fixes?: Fix[] } {
    if (name === null) return { message: `${what} has a key that is no text; it is ignored` };
    if (said !== undefined) return { message: said };
    const meant = nearest(name, known);
    if (meant === undefined) return { message: `${what} has no key ${quote(name)}; it is ignored. Its keys are ${listed(known)}` };
    return { message: `${what} has no key ${quote(name)}; it is ignored. Do you mean ${meant}?`, fixes: [{ title: `Change to ${meant}`, at: this.place(key), text: meant }] };
  }

  /** Entries of a mapping, those that "<<" merges in among them. */
  entries(map: Parameters<YamlDocument["entries"]>[0]): ReturnType<YamlDocument["entries"]> {
    try {
      return this.document.entries(map);
    } catch (error) {
      if (!(error instanceof MergeKeyError)) throw error;
      if (!this.problems.some(({ code }) => code === "merge-key")) this.error("merge-key", error.node, error.message);
      return [];
    }
  }

  keyText(key: Node | null): string | null {
    const node = this.document.resolve(key);
    return isScalar(node) ? scalarText(node) : null;
  }

  items(node: Node | null, what: string): Node[] | null {
    const list = this.resolve(node);
    if (!isSeq(list)) return this.error("not-a-list", node, `${what} should be a list, not ${kindOf(list)}`);
    return list.items as Node[];
  }

  /** Whether nothing stands there (`key:` or `key: null`). */
  empty(node: Node | null): boolean {
    const target = this.resolve(node);
    return target === null || (isScalar(target) && target.type === "PLAIN" && plainValue(scalarText(target)) === null);
  }

  /** A scalar as PyYAML reads it; undefined for anything else. */
  plain(node: Node | null): Plain | undefined {
    const scalar = this.resolve(node);
    if (scalar === null) return null;
    if (!isScalar(scalar)) return undefined;
    const text = scalarText(scalar);
    return scalar.type === "PLAIN" ? plainValue(text) : text;
  }

  /** Text. Numbers are taken as they are written; truth values and nothing are not. */
  text(node: Node | null, what: string): Located<string> | null {
    const value = this.plain(node);
    if (typeof value === "string" && value !== "") return { value, at: this.place(node) };
    if (typeof value === "number") return { value: String((this.resolve(node) as { value: unknown }).value), at: this.place(node) };
    if (typeof value === "boolean") return this.error("not-text", node, `${what} is text; put ${this.source(node!)} in quotes, or YAML takes it for a truth value`);
    return this.error("not-text", node, value === undefined ? `${what} is text, not ${kindOf(this.resolve(node))}` : `${what} is empty`);
  }

  /** One of a few words. */
  word<T extends string>(node: Node | null, what: string, words: readonly T[]): Located<T> | null {
    const text = this.text(node, what);
    if (text === null) return null;
    const { value, at } = text;
    const found = words.find((word) => word === value);
    if (found !== undefined) return { value: found, at };
    return this.error("unknown-value", at, `${what} is ${listed(words, "or")}, not ${quote(value)}`, this.replacements(at, value, words));
  }

  /** A fix to the word that was meant. */
  replacements(at: Place, given: string, words: Iterable<string>): Fix[] | undefined {
    const meant = nearest(given, words);
    return meant === undefined ? undefined : [{ title: `Change to ${meant}`, at, text: meant }];
  }

  integer(node: Node | null, what: string, least: number): Located<number> | null {
    const plain = this.plain(node);
    const value = typeof plain === "string" ? numberFromText(plain) : plain;
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= least) return { value, at: this.place(node) };
    return this.error("not-an-integer", node, `${what} is a whole number of at least ${least}`);
  }

  truth(node: Node | null, what: string): boolean {
    const value = this.plain(node);
    const truth = value === undefined || value === null ? undefined : truthOf(value);
    if (truth !== undefined) return truth;
    this.error("not-a-truth-value", node, `${what} is true or false`);
    return false;
  }

  /** A model: `path@revision+adapter@revision`, or a mapping of its parts. */
  model(node: Node | null, what: string): Located<ModelReference> | null {
    const target = this.resolve(node);
    if (isMap(target)) return this.modelMapping(target, node, what);
    const text = this.text(node, what);
    if (text === null) return null;
    return this.reference(text.at, () => parseReference(text.value));
  }

  private modelMapping(target: Node, node: Node | null, what: string): Located<ModelReference> | null {
    let model: { path: string; revision?: string } | null = null;
    let adapter: { path: string; revision?: string } | null = null;
    let architecture: string | undefined;
    let path: string | undefined;
    let revision: string | undefined;
    this.fields(target, what, {
      model: (value) => (model = this.part(value, "model")),
      lora: (value) => this.empty(value) || (adapter = this.part(value, "adapter")),
      override_architecture: (value) => this.empty(value) || (architecture = this.text(value, "override_architecture")?.value),
      path: (value) => (path = this.text(value, "path")?.value),
      revision: (value) => this.empty(value) || (revision = this.text(value, "revision")?.value),
    });
    const whole = model ?? (path === undefined ? null : { path, ...(revision === undefined ? {} : { revision }) });
    if (whole === null) return this.error("missing-key", node, `${what} needs "model", the model's path`);
    return { value: { ...whole, ...(adapter === null ? {} : { adapter }), ...(architecture === undefined ? {} : { overrideArchitecture: architecture }) }, at: this.place(node) };
  }

  private part(node: Node | null, what: "model" | "adapter"): { path: string; revision?: string } | null {
    const target = this.resolve(node);
    if (!isMap(target)) {
      const text = this.text(node, `the ${what}'s path`);
      return text === null ? null : (this.reference(text.at, () => parsePart(text.value, what))?.value ?? null);
    }
    let path: string | undefined;
    let revision: string | undefined;
    this.fields(target, `the ${what}`, {
      path: (value) => (path = this.text(value, "path")?.value),
      revision: (value) => this.empty(value) || (revision = this.text(value, "revision")?.value),
    });
    if (path === undefined) return this.error("missing-key", node, `the ${what} needs "path"`);
    return { path, ...(revision === undefined ? {} : { revision }) };
  }

  private reference<T>(at: Place, parse: () => T): Located<T> | null {
    try {
      return { value: parse(), at };
    } catch (error) {
      if (error instanceof ModelReferenceError) return this.error("model-reference", at, error.message);
      throw error;
    }
  }
}

/** Text of a scalar; the schema makes all of them strings. */
function scalarText({ value }: { value: unknown }): string {
  return typeof value === "string" ? value : "";
}

/** `a, b and c`. */
export function listed(words: readonly string[], joint = "and"): string {
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(", ")} ${joint} ${words.at(-1)}`;
}

export function kindOf(node: Node | null): string {
  if (node === null) return "nothing";
  return isMap(node) ? "a mapping" : isSeq(node) ? "a list" : isScalar(node) && (node.value ?? "") === "" && node.type === "PLAIN" ? "nothing" : "a single value";
}
