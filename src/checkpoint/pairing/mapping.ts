/** Mapping files: which tensors belong together, said by the user. `docs/command-line.md` describes them. */
import { isUtf8 } from "node:buffer";
import { isMap, isScalar, isSeq, LineCounter, parseDocument, visit, type Document, type Node, type ParsedNode } from "yaml";
import { CheckpointError, type SourceOpener } from "../checkpoint";
import { grouped, quote } from "../quote";
import type { Layout, RowRun } from "./layout";

/** A place in the file, both from 1. */
export interface Place {
  line: number;
  column: number;
}
export interface MappedSide extends Place {
  /** A name, a glob or a regular expression; for B what is put together of A's captures. */
  pattern: string;
  layout?: Layout;
}
export interface Mapping {
  path: string;
  pairs: { a: MappedSide; b: MappedSide }[];
  /** Tensors that have no partner. */
  ignore: { a: MappedSide[]; b: MappedSide[] };
  /** Ids of rules to leave out, and to take where headers allow several. */
  off: string[];
  prefer: string[];
  /** The file was written for the two models in the other order. */
  swapped?: boolean;
}

const MOST_BYTES = 1 << 20;
const MOST_PAIRS = 20_000;
/** Brackets in brackets, and columns that a line is indented by: the parser's time grows with the square of them. */
const DEEPEST = 50;
const MOST_INDENTED = 200;

/**
 * Reads a mapping file.
 * @throws CheckpointError with line, column and what to do.
 */
export async function readMapping(path: string, sources: SourceOpener): Promise<Mapping> {
  const source = await sources.open(path);
  try {
    const size = await source.size();
    if (size > MOST_BYTES) throw new CheckpointError("malformed", `the mapping file has ${grouped(size)} bytes, more than the limit of ${grouped(MOST_BYTES)}; say it with patterns`, path);
    const bytes = await source.read(0, size);
    if (!isUtf8(bytes)) throw new CheckpointError("malformed", "the mapping file is not UTF-8 text", path);
    return parseMapping(Buffer.from(bytes).toString("utf8"), path);
  } finally {
    await source.close();
  }
}

/** @throws CheckpointError as `readMapping`. */
export function parseMapping(text: string, path: string): Mapping {
  return new Parser(text, path).mapping();
}

class Parser {
  private readonly lines = new LineCounter();
  private readonly document: Document.Parsed<ParsedNode>;

  constructor(text: string, private readonly path: string) {
    this.checkDepth(text);
    try {
      this.document = parseDocument(text, { lineCounter: this.lines, prettyErrors: false, uniqueKeys: true, version: "1.2", schema: "core" });
    } catch (error) {
      if (error instanceof RangeError) throw new CheckpointError("malformed", "the mapping file is nested too deeply", path);
      throw error;
    }
    const [first] = this.document.errors;
    if (first !== undefined) this.fail(first.pos[0], `this is not valid YAML: ${first.message.replace(/\s+/g, " ").slice(0, 200)}`);
    visit(this.document, { Alias: (_, node) => this.failAt(node, "aliases (*name) are not used in mapping files; repeat the text") });
  }

  private checkDepth(text: string): void {
    let depth = 0;
    for (const { index, 0: match } of text.matchAll(/[[\]{}]|^[ \t?:-]+/gm)) {
      if (match === "[" || match === "{") depth++;
      else if (match === "]" || match === "}") depth--;
      if (depth > DEEPEST || match.length > MOST_INDENTED) throw new CheckpointError("malformed", `the mapping file is nested too deeply, at character ${grouped(index + 1)}`, this.path);
    }
  }

  mapping(): Mapping {
    const mapping: Mapping = { path: this.path, pairs: [], ignore: { a: [], b: [] }, off: [], prefer: [] };
    const { contents } = this.document;
    if (contents === null) throw new CheckpointError("malformed", 'the mapping file is empty; it holds "pairs", a list of entries such as "- {a: NAME, b: NAME}"', this.path);
    // A bare list is the list of pairs.
    if (isSeq(contents)) mapping.pairs = this.pairs(contents);
    else {
      this.entries(contents, "the mapping file", {
        pairs: (value) => (mapping.pairs = this.pairs(value)),
        ignore: (value) =>
          this.entries(value, '"ignore"', {
            a: (names) => (mapping.ignore.a = this.names(names)),
            b: (names) => (mapping.ignore.b = this.names(names)),
          }),
        off: (value) => (mapping.off = this.names(value).map(({ pattern }) => pattern)),
        prefer: (value) => (mapping.prefer = this.names(value).map(({ pattern }) => pattern)),
      });
    }
    return mapping;
  }

  private pairs(list: Node | null): Mapping["pairs"] {
    const items = this.items(list, '"pairs"');
    if (items.length > MOST_PAIRS) this.failAt(list, `"pairs" has ${grouped(items.length)} entries, more than the limit of ${grouped(MOST_PAIRS)}; say it with patterns`);
    return items.map((item) => {
      let [a, b]: (MappedSide | undefined)[] = [];
      this.entries(item, "an entry of \"pairs\"", { a: (value) => (a = this.side(value)), b: (value) => (b = this.side(value)) });
      if (a === undefined || b === undefined) return this.failAt(item, `an entry of "pairs" needs both a and b; ${a === undefined ? "a" : "b"} is missing`);
      return { a, b };
    });
  }

  private names(list: Node | null): MappedSide[] {
    return this.items(list, "this list").map((item) => this.named(item));
  }

  /** A name, or a name with how the tensor is read. */
  private side(value: Node | null): MappedSide {
    if (!isMap(value)) return this.named(value);
    let name: MappedSide | undefined;
    let axis: number | undefined;
    const layout: Layout = {};
    this.entries(value, "a side", {
      name: (node) => (name = this.named(node)),
      index: (node) => (layout.index = this.whole(node, '"index"', 0)),
      transpose: (node) => {
        if (!isScalar(node) || typeof node.value !== "boolean") this.failAt(node, '"transpose" is true or false');
        else if (node.value) layout.transpose = true;
      },
      rows: (node) => (layout.rows = this.rows(node)),
      axis: (node) => (axis = this.whole(node, '"axis", that of the rows,', 0)),
      rotary: (node) => (layout.rotary = this.whole(node, '"rotary", a number of heads,', 1)),
      plus: (node) => {
        if (!isScalar(node) || typeof node.value !== "number" || !Number.isFinite(node.value)) this.failAt(node, '"plus" is a number');
        else layout.plus = node.value;
      },
      shape: (node) => (layout.shape = this.items(node, '"shape"').map((item) => this.whole(item, "a length", 0))),
    });
    if (name === undefined) return this.failAt(value, 'a side needs a "name"');
    if (axis !== undefined) {
      if (layout.rows === undefined) return this.failAt(value, '"axis" says where "rows" are, which are missing');
      layout.rows = { ...layout.rows, axis };
    }
    return Object.keys(layout).length === 0 ? name : { ...name, layout };
  }

  private rows(node: Node | null): RowRun {
    const [start, stop, run, step, ...more] = this.items(node, '"rows"').map((item) => this.whole(item, "a row", 0));
    const wrong = (): never => this.failAt(node, '"rows" is [start, stop], or [start, stop, run, step] for the first "run" of every "step" rows');
    if (start === undefined || stop === undefined || stop < start || more.length > 0) return wrong();
    if (run === undefined) return { start, stop };
    if (step === undefined || run < 1 || run > step || (start % step) + run > step) return wrong();
    return { start, stop, run, step };
  }

  private whole(node: Node | null, what: string, least: number): number {
    if (!isScalar(node) || typeof node.value !== "number" || !Number.isSafeInteger(node.value) || node.value < least) return this.failAt(node, `${what} is a whole number of at least ${least}`);
    return node.value;
  }

  private named(node: Node | null): MappedSide {
    if (isScalar(node) && (typeof node.value === "number" || typeof node.value === "boolean")) return this.failAt(node, `the name ${String(node.source ?? node.value)} must be in quotes, or YAML takes it for a ${typeof node.value === "number" ? "number" : "truth value"}`);
    if (!isScalar(node) || typeof node.value !== "string" || node.value === "") return this.failAt(node, "a tensor's name or a pattern should stand here");
    return { pattern: node.value, ...this.place(node) };
  }

  private items(node: Node | null, what: string): (Node | null)[] {
    if (!isSeq(node)) return this.failAt(node, `${what} is a list`);
    return node.items as (Node | null)[];
  }

  private entries(node: Node | null, what: string, known: Record<string, (value: Node | null) => void>): void {
    if (!isMap(node)) return this.failAt(node, `${what} has the keys ${Object.keys(known).join(", ")}`);
    for (const { key, value } of node.items) {
      const name = isScalar(key) && typeof key.value === "string" ? key.value : undefined;
      const read = name !== undefined && Object.hasOwn(known, name) ? known[name] : undefined;
      if (read === undefined) return this.failAt(key as Node, `${what} has no key ${quote(String(name ?? "of this kind"))}; its keys are ${Object.keys(known).join(", ")}`);
      read(value as Node | null);
    }
  }

  private place(node: Node | null): Place {
    const { line, col } = this.lines.linePos(node?.range?.[0] ?? 0);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  }

  private failAt(node: Node | null, message: string): never {
    return this.fail(node?.range?.[0] ?? 0, message);
  }

  private fail(offset: number, message: string): never {
    const { line, col } = this.lines.linePos(offset);
    throw mappingError(this.path, { line: Math.max(line, 1), column: Math.max(col, 1) }, message);
  }
}

export function mappingError(path: string, { line, column }: Place, message: string): CheckpointError {
  return new CheckpointError("malformed", `line ${line}, column ${column}: ${message}`, path);
}
