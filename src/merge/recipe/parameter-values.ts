/** Reads `parameters`: scalars, gradients, filters, files. */
import { isMap, isScalar, isSeq, type Node } from "yaml";
import { quote } from "../../checkpoint/quote";
import { compileFilter, FilterError } from "./filter";
import { kindOf, type Reader } from "./reader";
import type { Filter, Located, Parameter, ParameterTable, ParameterValue, Scalar } from "./recipe";

export function emptyTable(): ParameterTable {
  return Object.create(null) as ParameterTable;
}

/** Any names; which of them the method has is checked once it is known. */
export function readParameters(reader: Reader, node: Node | null): ParameterTable {
  const table = emptyTable();
  if (reader.empty(node)) return table;
  const map = reader.resolve(node);
  if (!isMap(map)) {
    reader.error("not-a-mapping", node, `parameters should be a mapping of names to values, not ${kindOf(map)}`);
    return table;
  }
  for (const { key, value } of reader.entries(map)) {
    const name = reader.keyText(key);
    if (name === null || name === "") {
      reader.error("not-text", key, "a parameter's name is text");
      continue;
    }
    const at = reader.place(key);
    if (table[name] !== undefined) reader.report("warning", "duplicate-key", table[name].name, `${name} is given again on line ${at.line}, which wins`);
    const read = readValue(reader, reader.resolve(value), name, value === null ? key : value);
    if (read !== null) table[name] = { name: at, value: read, at: reader.place(value === null ? key : value) } satisfies Parameter;
  }
  return table;
}

function readValue(reader: Reader, node: Node | null, name: string, at: Node): ParameterValue | null {
  if (isSeq(node)) {
    const items = (node.items as Node[]).map((item) => reader.resolve(item));
    if (items.some((item) => isMap(item))) return { kind: "filters", entries: items.flatMap((item, i) => entry(reader, item, name, (node.items as Node[])[i]!)) };
    return gradient(reader, node.items as Node[], name);
  }
  if (isMap(node)) {
    if (reader.entries(node).some(({ key }) => reader.keyText(key) === "file")) return file(reader, node, name);
    return { kind: "filters", entries: entry(reader, node, name, at) };
  }
  const value = scalar(reader, node, name, at);
  return value === null ? null : { kind: "scalar", value };
}

function scalar(reader: Reader, node: Node | null, name: string, at: Node): Scalar | null {
  if (node !== null && !isScalar(node)) return reader.error("parameter-value", at, `${name} takes a value, a list of values over the layers, or filters, not ${kindOf(node)} here`);
  const value = reader.plain(node);
  return value ?? reader.error("parameter-value", at, `${name} has no value`);
}

function gradient(reader: Reader, items: Node[], name: string): ParameterValue | null {
  const values: Scalar[] = [];
  for (const item of items) {
    const value = scalar(reader, reader.resolve(item), name, item);
    if (value === null) return null;
    values.push(value);
  }
  return { kind: "gradient", values };
}

function entry(reader: Reader, node: Node | null, name: string, at: Node): { at: ReturnType<Reader["place"]>; filter: Located<Filter> | null; value: ParameterValue }[] {
  if (!isMap(node)) {
    reader.error("filter", at, `the filters of ${name} are mappings {filter: …, value: …}, not ${kindOf(node)}`);
    return [];
  }
  let filter: Located<Filter> | null = null;
  let value: ParameterValue | null | undefined;
  reader.fields(node, `a filter of ${name}`, {
    filter: (text) => {
      filter = readFilter(reader, text);
    },
    value: (inner, key) => {
      value = isMap(inner) || (isSeq(inner) && inner.items.some((item) => isMap(item))) ? reader.error("filter", key, `the value of a filter is a single value or a list over the layers; ${name} has filters within a filter`) : readValue(reader, inner, name, inner ?? key);
    },
  });
  if (value === undefined) reader.error("filter", at, `a filter of ${name} has no "value"`);
  return value == null ? [] : [{ at: reader.place(at), filter, value }];
}

function readFilter(reader: Reader, node: Node | null): Located<Filter> | null {
  if (reader.empty(node)) return null;
  const text = reader.text(node, "a filter");
  if (text === null) return null;
  try {
    return { value: compileFilter(text.value), at: text.at };
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    reader.error("filter", text.at, `the filter ${quote(text.value)} cannot be read: ${error.message}`);
    return { value: { text: text.value, matches: () => false }, at: text.at };
  }
}

function file(reader: Reader, node: Node, name: string): ParameterValue | null {
  let path: string | undefined;
  reader.fields(node, `${name} from a file`, { file: (value) => (path = reader.text(value, "a file of coefficients")?.value) });
  return path === undefined ? null : { kind: "file", path };
}
