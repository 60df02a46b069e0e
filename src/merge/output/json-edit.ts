/**
 * Edits of JSON texts that leave everything else as it stands, byte for byte: `10000.0` stays a float, keys keep their order, integers beyond
 * 2^53 their digits.
 */
import { JsonReader } from "../../checkpoint/json-reader";

export interface JsonEdit {
  /** Keys of objects from the outermost in. The last may be new, then it is added at the end of its object; the others must be there. */
  path: readonly string[];
  /** The value as JSON. */
  value: unknown;
}

interface Node {
  value?: { of: unknown };
  children: Map<string, Node>;
}

interface Replacement {
  start: number;
  end: number;
  text: string;
}

/**
 * `text` with `edits`.
 * @param file and @param what name the text in messages.
 * @throws CheckpointError `"malformed"` when it is not JSON, or no object.
 */
export function editJson(text: string, edits: readonly JsonEdit[], file: string, what: string): string {
  const root: Node = { children: new Map() };
  for (const { path, value } of edits) {
    let node = root;
    for (const key of path) {
      const child: Node = node.children.get(key) ?? { children: new Map() };
      node.children.set(key, child);
      node = child;
    }
    node.value = { of: value };
  }
  const bytes = Buffer.from(text, "utf8");
  const reader = new JsonReader(bytes, { file, what, pythonNumbers: true });
  const replacements: Replacement[] = [];
  visit(reader, bytes, root, replacements);
  reader.end();
  const parts: string[] = [];
  let done = 0;
  for (const { start, end, text } of replacements.sort((a, b) => a.start - b.start)) {
    parts.push(bytes.toString("utf8", done, start), text);
    done = end;
  }
  return parts.join("") + bytes.toString("utf8", done);
}

/** Walks one object and collects what is replaced in it and added to it. */
function visit(reader: JsonReader, bytes: Buffer, node: Node, replacements: Replacement[]): void {
  const open = reader.position();
  const seen = new Set<string>();
  let before = "";
  let last = open + 1;
  reader.object((key, keyOffset) => {
    if (seen.size === 0) before = whitespaceBefore(bytes, keyOffset);
    seen.add(key);
    const start = reader.position();
    const child = node.children.get(key);
    if (child !== undefined && child.value === undefined && reader.next() === "object") visit(reader, bytes, child, replacements);
    else reader.skip();
    last = trimmedEnd(bytes, reader.position());
    if (child?.value !== undefined) replacements.push({ start, end: last, text: laidOut(child.value.of, before) });
  });
  const added = [...node.children].flatMap(([key, child]) => (child.value === undefined || seen.has(key) ? [] : `${before}${JSON.stringify(key)}: ${laidOut(child.value.of, before)}`));
  if (added.length > 0) replacements.push({ start: last, end: last, text: (seen.size > 0 ? "," : "") + added.join(",") });
}

/** JSON as it is indented around it: on one line where its neighbours are. */
function laidOut(value: unknown, before: string): string {
  const line = before.lastIndexOf("\n");
  if (line < 0) return JSON.stringify(value);
  return JSON.stringify(value, null, 2).replaceAll("\n", `\n${before.slice(line + 1)}`);
}

function whitespaceBefore(bytes: Buffer, at: number): string {
  return bytes.toString("latin1", trimmedEnd(bytes, at), at);
}

/** `at` without the whitespace before it. */
function trimmedEnd(bytes: Buffer, at: number): number {
  let end = at;
  while (end > 0 && isWhitespace(bytes[end - 1]!)) end--;
  return end;
}

function isWhitespace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
