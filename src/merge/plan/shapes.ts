/** Whether the inputs of one tensor fit each other, and what is done where vocabularies do not. */
import { bracketed } from "../../checkpoint/adapters/build";
import type { Expression } from "../../engine/protocol";
import { isVocabulary } from "../models/architecture";
import type { ModelTensor } from "../models/model";
import type { Findings } from "./findings";
import type { PlannedSource } from "./layout";

export interface Present {
  source: PlannedSource;
  /** The name that the recipe's filters see. */
  name: string;
  tensor: ModelTensor;
}

/**
 * The shape that all have; null with a problem where they differ. `truncate`: rows of vocabulary tensors beyond the smallest vocabulary are
 * left out, whatever tokens they are of.
 */
export function commonShape(name: string, present: readonly Present[], truncate: boolean, findings: Findings): readonly number[] | null {
  const first = present.find(({ source }) => source.base) ?? present[0]!;
  const { shape } = first.tensor;
  const other = present.find(({ tensor }) => !sameShape(tensor.shape, shape));
  if (other === undefined) return shape;
  const rows = isVocabulary(name) && present.every(({ tensor }) => tensor.shape.length === shape.length && tensor.shape.every((length, axis) => axis === 0 || length === shape[axis]));
  if (rows && truncate) {
    const least = Math.min(...present.map(({ tensor }) => tensor.shape[0]!));
    const detail = `the vocabularies differ; ${name} is cut to the ${least} rows of the smallest, whatever tokens they are of`;
    findings.warn("truncated-vocabulary", other.source.at, detail, { tensor: name, more: (times) => `the vocabularies differ; ${times} tensors are cut to the ${least} rows of the smallest, whatever tokens they are of` });
    return [least, ...shape.slice(1)];
  }
  if (rows) {
    const shapes = bothShapes(first, other);
    findings.error("vocabulary-mismatch", other.source.at, `the vocabularies differ: ${name} is ${shapes}; align them with tokenizer_source: base or union`, {
      tensor: name,
      more: () => `the vocabularies differ: ${name} is ${shapes}, and so with the other tensors of the vocabulary; align them with tokenizer_source: base or union`,
    });
  } else mismatch(name, first, other, findings);
  return null;
}

/** The shape of tensors whose rows are brought into the order of the output's vocabulary; null with a problem where the rows are of different lengths. */
export function alignedShape(name: string, present: readonly Present[], rows: number, findings: Findings): readonly number[] | null {
  const first = present.find(({ source }) => source.base) ?? present[0]!;
  const [, ...width] = first.tensor.shape;
  const other = present.find(({ tensor }) => !sameShape(tensor.shape.slice(1), width));
  if (other === undefined) return [rows, ...width];
  mismatch(name, first, other, findings);
  return null;
}

function mismatch(name: string, first: Present, other: Present, findings: Findings): void {
  const sentence = `${name} has another shape: ${bothShapes(first, other)}; only models of equal shapes can be merged`;
  findings.error("shape-mismatch", other.source.at, sentence, { tensor: name, more: (times) => `${sentence} (${times} tensors differ)` });
}

function bothShapes(first: Present, other: Present): string {
  return `${bracketed(other.tensor.shape)} in ${other.source.input.label}, ${bracketed(first.tensor.shape)} in ${first.source.input.label}`;
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((length, i) => length === b[i]);
}

/** The first `rows` rows. */
export function firstRows(of: Expression, rows: number, has: number): Expression {
  return rows === has ? of : { kind: "slice", of, axis: 0, start: 0, stop: rows };
}
