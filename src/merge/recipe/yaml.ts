/** A recipe's text as YAML nodes that know their places, within bounds that keep hostile text cheap. */
import { isAlias, isMap, isPair, isScalar, isSeq, LineCounter, parseAllDocuments, visit, type Alias, type Document, type Node, type Pair, type ParsedNode, type YAMLMap } from "yaml";
import { grouped } from "../../checkpoint/quote";
import type { Place, Problem } from "../problem";

export type { Node } from "yaml";

const MOST_BYTES = 4 << 20;
/** Brackets in brackets, and columns that a line is indented by: the parser's time grows with the square of them. */
const DEEPEST = 50;
const MOST_INDENTED = 200;
const MOST_DOCUMENTS = 1000;

export class YamlText {
  readonly documents: YamlDocument[] = [];
  readonly problems: Problem[] = [];
  private readonly lines = new LineCounter();

  constructor(readonly text: string) {
    const unreadable = this.bounded();
    if (unreadable !== null) {
      this.lines.addNewLine(0);
      for (let at = text.indexOf("\n"); at !== -1 && at < unreadable.offset; at = text.indexOf("\n", at + 1)) this.lines.addNewLine(at + 1);
      this.problems.push({ severity: "error", code: "too-large", message: unreadable.message, at: this.between(unreadable.offset, unreadable.offset) });
      return;
    }
    // As strings: what plain scalars are to PyYAML is decided in scalar.ts.
    const parsed = parseAllDocuments(text, { lineCounter: this.lines, prettyErrors: false, schema: "failsafe", version: "1.1", uniqueKeys: false }) as Document.Parsed<ParsedNode>[];
    for (const document of parsed) {
      const failed = document.errors.length > 0;
      if (failed) this.problems.push(this.invalid(document.errors[0]!));
      if (document.contents === null && !failed && parsed.length > 1) continue;
      this.documents.push(new YamlDocument(document, failed));
    }
  }

  /** Why the text is not even parsed. */
  private bounded(): { offset: number; message: string } | null {
    const { text } = this;
    if (text.length > MOST_BYTES) return { offset: 0, message: `the recipe has ${grouped(text.length)} characters, more than the limit of ${grouped(MOST_BYTES)}` };
    let depth = 0;
    let documents = 0;
    for (const { index, 0: match } of text.matchAll(/[[\]{}]|^---|^[ \t?:-]+/gm)) {
      if (match === "[" || match === "{") depth++;
      else if (match === "]" || match === "}") depth = Math.max(0, depth - 1);
      else if (match.startsWith("---")) documents++;
      if (depth > DEEPEST || match.length > MOST_INDENTED) return { offset: index, message: "the recipe is nested too deeply here; nothing in a recipe goes deeper than a dozen levels" };
      if (documents > MOST_DOCUMENTS) return { offset: index, message: `the file has more than ${grouped(MOST_DOCUMENTS)} documents` };
    }
    return null;
  }

  private invalid({ pos: [start], message, code }: { pos: [number, number]; message: string; code: string }): Problem {
    // The parser points at the end of the line before; what does not fit is the next thing written.
    const at = code === "TAB_AS_INDENT" ? start : start + /^\s*/.exec(this.text.slice(start, start + 10_000))![0].length;
    const end = at < this.text.length ? at + /^\S*/.exec(this.text.slice(at, at + 200))![0].length : at;
    const indented = /INDENT|MISSING_CHAR|BLOCK/.test(code) ? "; look at the indentation of this line and of those above" : "";
    return { severity: "error", code: "yaml-syntax", message: `this is not valid YAML: ${lowerFirst(message.replace(/\s+/g, " ").slice(0, 200))}${indented}`, at: this.between(at, end) };
  }

  place(node: Node | null | undefined): Place {
    const [start, end] = node?.range ?? [0, 0];
    return this.between(start, end);
  }

  /** From `start` to `end`, offsets. */
  between(start: number, end: number): Place {
    const from = this.position(start);
    const to = this.position(Math.max(start, end));
    return { line: from.line, column: from.column, endLine: to.line, endColumn: to.column };
  }

  private position(offset: number): { line: number; column: number } {
    const { line, col } = this.lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  }
}

function lowerFirst(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1);
}

/** How many entries `<<` may bring into a document in all. */
const MOST_MERGED = 20_000;

export class YamlDocument {
  private aliases: Map<Alias, Node | null> | undefined;
  private merged = 0;

  /** @param failed its text is not valid, and only in part there. */
  constructor(readonly document: Document.Parsed<ParsedNode>, readonly failed: boolean) {}

  get contents(): Node | null {
    return this.document.contents;
  }

  /** The node itself, or what an alias stands for; undefined where nothing is called so. */
  resolve(node: Node | null | undefined): Node | null | undefined {
    if (node == null) return null;
    return isAlias(node) ? this.targets().get(node) : node;
  }

  /** Tags that stand in the document other than those of plain YAML. */
  tags(): { node: Node; tag: string }[] {
    const found: { node: Node; tag: string }[] = [];
    const plain = /^tag:yaml\.org,2002:(?:str|map|seq|int|float|bool|null|merge)$/;
    visit(this.document, {
      Node(_, node) {
        if (!isAlias(node) && typeof node.tag === "string" && !plain.test(node.tag)) found.push({ node, tag: node.tag });
      },
    });
    return found;
  }

  /**
   * A mapping's entries, with those that `<<` brings in (the mapping's own win).
   * @throws MergeKeyError where `<<` brings in too much, or what is no mapping.
   */
  entries(map: YAMLMap): Pair<Node, Node | null>[] {
    return this.withMerged(map, []);
  }

  private withMerged(map: YAMLMap, around: YAMLMap[]): Pair<Node, Node | null>[] {
    const items = map.items as Pair<Node, Node | null>[];
    if (!items.some(({ key }) => isMergeKey(key))) return items;
    if (around.includes(map)) throw new MergeKeyError(map, 'this mapping is merged into itself by "<<"');
    const own = new Set(items.map(({ key }) => (isScalar(key) ? String(key.value) : "")));
    const all: Pair<Node, Node | null>[] = items.filter(({ key }) => !isMergeKey(key));
    for (const { key, value } of items) {
      if (!isMergeKey(key)) continue;
      const target = this.resolve(value);
      for (const item of isSeq(target) ? (target.items as Node[]) : [target]) {
        const other = this.resolve(item);
        if (!isMap(other)) throw new MergeKeyError(key, '"<<" takes a mapping or a list of mappings');
        for (const pair of this.withMerged(other, [...around, map])) {
          if (++this.merged > MOST_MERGED) throw new MergeKeyError(key, `"<<" brings in more than ${grouped(MOST_MERGED)} entries here; write the recipe out`);
          const name = isScalar(pair.key) ? String(pair.key.value) : "";
          if (own.has(name)) continue;
          own.add(name);
          all.push(pair);
        }
      }
    }
    return all;
  }

  /** What each alias stands for, found in one walk: an anchor holds from where it stands until it is given again. */
  private targets(): Map<Alias, Node | null> {
    if (this.aliases !== undefined) return this.aliases;
    const aliases = (this.aliases = new Map<Alias, Node | null>());
    const anchors = new Map<string, Node>();
    visit(this.document, (_, node) => {
      if (isAlias(node)) {
        const target = anchors.get(node.source);
        if (target !== undefined) aliases.set(node, target);
      } else if (node !== null && typeof node === "object" && !isPair(node) && "anchor" in node && typeof node.anchor === "string") anchors.set(node.anchor, node as Node);
    });
    return aliases;
  }
}

export class MergeKeyError extends Error {
  constructor(readonly node: Node, message: string) {
    super(message);
  }
}

function isMergeKey(key: unknown): boolean {
  return isScalar(key) && key.value === "<<" && key.type === "PLAIN";
}
