/** Coefficients by tensor name from a file: learned ones (AdaMerging, aTLAS) as values of parameters. */
import { readFile, stat } from "node:fs/promises";
import { isMap, isScalar } from "yaml";
import { grouped, quote } from "../../checkpoint/quote";
import { compileFilter, FilterError } from "../recipe/filter";
import type { Filter, MergeDocument, ParameterTable } from "../recipe/recipe";
import { inputsOf, slicesIn } from "../recipe/references";
import { numberFromText } from "../recipe/scalar";
import { YamlText, type Node } from "../recipe/yaml";
import type { Place } from "../problem";

export interface Coefficients {
  /** Undefined where the file says nothing of the tensor. */
  get(tensor: string): number | undefined;
}

/** The file cannot be used; the message is one sentence. */
export class CoefficientsError extends Error {}

const MOST_BYTES = 16 << 20;

/**
 * Reads JSON or YAML, a mapping of tensor names to numbers. A key that is a glob or a `/regular expression/` stands for all tensors it
 * matches that are not named themselves; the first of them counts.
 * @throws CoefficientsError
 */
export async function readCoefficients(path: string): Promise<Coefficients> {
  let text: string;
  try {
    const { size } = await stat(path);
    if (size > MOST_BYTES) throw new CoefficientsError(`${path} has ${grouped(size)} bytes, more than the limit of ${grouped(MOST_BYTES)} for coefficients`);
    text = await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof CoefficientsError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw new CoefficientsError(`${path} cannot be read: ${code === "ENOENT" ? "there is no such file" : message}`);
  }
  return parseCoefficients(text, path);
}

/** @throws CoefficientsError */
export function parseCoefficients(text: string, path: string): Coefficients {
  const yaml = new YamlText(text);
  const [problem] = yaml.problems;
  if (problem !== undefined) throw new CoefficientsError(`${path}, line ${problem.at.line}: ${problem.message}`);
  const map = yaml.documents[0]?.contents ?? null;
  if (!isMap(map)) throw new CoefficientsError(`${path} should be a mapping of tensor names to numbers`);
  const byName = new Map<string, number>();
  const patterns: { filter: Filter; value: number }[] = [];
  for (const { key, value } of map.items as { key: Node; value: Node | null }[]) {
    const name = isScalar(key) ? String(key.value) : "";
    const number = isScalar(value) ? numberFromText(String(value.value)) : undefined;
    if (number === undefined || !Number.isFinite(number)) throw new CoefficientsError(`${path}, line ${yaml.place(key).line}: ${quote(name)} should have a finite number`);
    if (!/[*?{]|^\/.+\/i?$/.test(name)) byName.set(name, number);
    else {
      try {
        patterns.push({ filter: compileFilter(name), value: number });
      } catch (error) {
        if (error instanceof FilterError) throw new CoefficientsError(`${path}, line ${yaml.place(key).line}: the pattern ${quote(name)} cannot be read: ${error.message}`);
        throw error;
      }
    }
  }
  return { get: (tensor) => byName.get(tensor) ?? patterns.find(({ filter }) => filter.matches(tensor))?.value };
}

/** The files of coefficients that a document names, with the place of each. */
export function coefficientFiles({ body, parameters }: MergeDocument): { path: string; at: Place }[] {
  const modules = body?.form === "modules" ? body.modules.map(({ parameters }) => parameters) : [];
  const tables: ParameterTable[] = [parameters, ...modules, ...slicesIn(body).map(({ parameters }) => parameters), ...inputsOf(body).map(({ parameters }) => parameters)];
  return tables.flatMap((table) => Object.values(table).flatMap(({ value, at }) => (value.kind === "file" ? { path: value.path, at } : [])));
}
