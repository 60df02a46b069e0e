/**
 * Small constructors for the engine's expressions. Each checks that the shapes fit and throws `ShapeMismatch` otherwise, so
 * that a damaged adapter is refused with the place instead of by the engine later.
 */
import type { Expression, Operation } from "../../engine/protocol";

/** Shapes of factors that cannot be combined; `read-adapter.ts` turns it into a `CheckpointError`. */
export class ShapeMismatch extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ShapeMismatch";
  }
}

const shapes = new WeakMap<Expression, readonly number[]>();

/** The shape of an expression's values. */
export function shapeOf(expression: Expression): number[] {
  const known = shapes.get(expression);
  if (known !== undefined) return [...known];
  const shape = computeShape(expression);
  shapes.set(expression, shape);
  return [...shape];
}

function computeShape(expression: Expression): number[] {
  switch (expression.kind) {
    case "range":
    case "blocks":
    case "strided":
    case "reshape":
      return expression.shape;
    case "slice": {
      const shape = shapeOf(expression.of);
      shape[expression.axis] = expression.stop - expression.start;
      return shape;
    }
    case "permute": {
      const shape = shapeOf(expression.of);
      return expression.axes.map((axis) => shape[axis]!);
    }
    case "select": {
      const [, ...rest] = shapeOf(expression.of);
      return [Buffer.byteLength(expression.rows, "base64") / 4, ...rest];
    }
    case "cast":
      return shapeOf(expression.of);
    case "concatenate": {
      const shapes = expression.of.map(shapeOf);
      const [, ...rest] = shapes[0] ?? [];
      return [shapes.reduce((sum, [length = 0]) => sum + length, 0), ...rest];
    }
    case "merge":
      return shapeOf((expression.base ?? expression.of[0])!);
    case "combination": {
      const [first = [], ...others] = expression.of.map(shapeOf);
      for (const other of others) if (other.length !== first.length || other.some((length, axis) => length !== first[axis])) throw mismatch("a combination", first, other);
      return first;
    }
    case "compute":
      return operationShape(expression.operation, expression.of.map(shapeOf));
  }
}

function operationShape(operation: Operation, of: number[][]): number[] {
  const [first = [], second = []] = of;
  switch (operation.name) {
    case "literal":
    case "fill":
    case "torchUniform":
    case "scatter":
      return operation.shape;
    case "identity":
      return [operation.n, operation.n];
    case "torchPermutation":
      return [operation.take];
    case "topPositions":
      return [operation.k];
    case "add":
    case "subtract":
    case "multiply":
    case "divide":
    case "ulpDistance":
    case "ulpShift":
      return broadcast(first, second);
    case "scale":
    case "map":
    case "clamp":
    case "round":
    case "softmax":
    case "topSoftmax":
    case "inverse":
    case "inverseFourier":
      return first;
    case "product": {
      if (first.length < 2 || second.length < 2 || first.at(-1) !== second.at(-2)) throw mismatch("a matrix product", first, second);
      return [...broadcast(first.slice(0, -2), second.slice(0, -2)), first.at(-2)!, second.at(-1)!];
    }
    case "kronecker": {
      if (first.length < 2 || second.length < 2) throw mismatch("a Kronecker product", first, second);
      const batch = broadcast(first.slice(0, -2), second.slice(0, -2));
      return [...batch, first.at(-2)! * second.at(-2)!, first.at(-1)! * second.at(-1)!];
    }
    case "concatenate": {
      const shape = [...first];
      for (const other of of.slice(1)) {
        if (other.length !== shape.length || other.some((length, axis) => axis !== operation.axis && length !== shape[axis])) throw mismatch("a concatenation", shape, other);
        shape[operation.axis]! += other[operation.axis]!;
      }
      return shape;
    }
    case "gather":
      return first.map((length, axis) => (axis === operation.axis ? (second[0] ?? 0) : length));
    case "sum":
    case "norm":
      return first.map((length, axis) => (operation.axes.includes(axis) ? 1 : length));
    case "qr": {
      const k = Math.min(first[0]!, first[1]!);
      return operation.factor === "q" ? [first[0]!, k] : [k, first[1]!];
    }
    case "svd": {
      const k = operation.stop - operation.start;
      return operation.factor === "u" ? [first[0]!, k] : operation.factor === "s" ? [k] : [k, first[1]!];
    }
    case "blockDiagonal":
      return [first[0]! * first[1]!, first[0]! * first[2]!];
    case "skew":
      return [...first.slice(0, -1), operation.n, operation.n];
  }
}

function mismatch(what: string, a: readonly number[], b: readonly number[]): ShapeMismatch {
  return new ShapeMismatch(`the shapes ${bracketed(a)} and ${bracketed(b)} do not fit ${what}`);
}

/** A shape as messages show it: `[32, 4]`. */
export function bracketed(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}

/** NumPy's broadcast of two shapes. */
function broadcast(a: readonly number[], b: readonly number[]): number[] {
  const axes = Math.max(a.length, b.length);
  return Array.from({ length: axes }, (_, i) => {
    const x = a[a.length - axes + i] ?? 1;
    const y = b[b.length - axes + i] ?? 1;
    if (x !== y && x !== 1 && y !== 1) throw mismatch("an elementwise operation", a, b);
    return x === 1 ? y : x;
  });
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

/** Any operation on any operands; its shape is checked at once. */
export function compute(operation: Operation, ...of: Expression[]): Expression {
  const expression: Expression = { kind: "compute", operation, of };
  shapeOf(expression);
  return expression;
}

/** Matrix product over the last two axes. */
/** Σ coefficients[i]·of[i], read in tiles. */
export const combination = (of: Expression[], coefficients: number[]): Expression => ({ kind: "combination", of, coefficients });
export const product = (a: Expression, b: Expression): Expression => compute({ name: "product" }, a, b);
export const add = (a: Expression, b: Expression): Expression => compute({ name: "add" }, a, b);
export const subtract = (a: Expression, b: Expression): Expression => compute({ name: "subtract" }, a, b);
/** Elementwise (Hadamard) product, broadcasting. */
export const hadamard = (a: Expression, b: Expression): Expression => compute({ name: "multiply" }, a, b);
export const divide = (a: Expression, b: Expression): Expression => compute({ name: "divide" }, a, b);
export const kronecker = (a: Expression, b: Expression): Expression => compute({ name: "kronecker" }, a, b);
export const inverse = (a: Expression): Expression => compute({ name: "inverse" }, a);
export const identity = (n: number): Expression => compute({ name: "identity", n });
export const literal = (shape: number[], values: number[]): Expression => compute({ name: "literal", shape, values });
export const fill = (shape: number[], value: number): Expression => compute({ name: "fill", shape, value });
export const concatenate = (axis: number, ...of: Expression[]): Expression => compute({ name: "concatenate", axis }, ...of);
export const gather = (a: Expression, axis: number, indices: Expression): Expression => compute({ name: "gather", axis }, a, indices);
/** Zeros of `shape` plus `values` at the flat `positions`. */
export const scatter = (shape: number[], positions: Expression, values: Expression): Expression => compute({ name: "scatter", shape }, positions, values);
/** Sums over `axes`, which stay with length 1. */
export const sum = (a: Expression, axes: number[]): Expression => compute({ name: "sum", axes }, a);
/** Euclidean norms over `axes`, which stay with length 1. */
export const norm = (a: Expression, axes: number[]): Expression => compute({ name: "norm", axes }, a);
export const blockDiagonal = (a: Expression): Expression => compute({ name: "blockDiagonal" }, a);
export const map = (a: Expression, fn: Extract<Operation, { name: "map" }>["function"]): Expression => compute({ name: "map", function: fn }, a);

/** Times a number; left out for 1. @throws ShapeMismatch when it is not finite. */
export function scale(a: Expression, factor: number): Expression {
  if (!Number.isFinite(factor)) throw new ShapeMismatch("their scale is not finite");
  return factor === 1 ? a : compute({ name: "scale", factor }, a);
}

/** Another shape over the same elements, row-major. */
export function reshape(of: Expression, shape: number[]): Expression {
  const before = shapeOf(of);
  if (before.length === shape.length && before.every((length, i) => length === shape[i])) return of;
  if (elements(before) !== elements(shape)) throw mismatch("a reshape", before, shape);
  // One reshape says what several in a row do.
  return of.kind === "reshape" ? reshape(of.of, shape) : { kind: "reshape", of, shape };
}

/** The first axis against all others: (out, in·kernel). */
export function flatten(of: Expression): Expression {
  const [first = 1, ...rest] = shapeOf(of);
  return reshape(of, [first, elements(rest)]);
}

export function permute(of: Expression, axes: number[]): Expression {
  const { length } = shapeOf(of);
  if (axes.length !== length || new Set(axes).size !== length || axes.some((axis) => axis < 0 || axis >= length)) {
    throw new ShapeMismatch(`a tensor of ${length} axes has no order ${bracketed(axes)}`);
  }
  return axes.every((axis, i) => axis === i) ? of : { kind: "permute", of, axes };
}

/** The last two axes exchanged. */
export function transpose(of: Expression): Expression {
  const { length } = shapeOf(of);
  if (length < 2) throw new ShapeMismatch("a vector has no transpose");
  return permute(of, Array.from({ length }, (_, i) => (i < length - 2 ? i : 2 * length - 3 - i)));
}

/** The part `start <= index < stop` of one axis. */
export function slice(of: Expression, axis: number, start: number, stop: number): Expression {
  const length = shapeOf(of)[axis];
  if (length === undefined || start < 0 || stop < start || stop > length) throw new ShapeMismatch(`${bracketed(shapeOf(of))} has no part ${start}:${stop} on axis ${axis}`);
  return start === 0 && stop === length ? of : { kind: "slice", of, axis, start, stop };
}

/** Singular triplets `start <= i < stop` of W multiplied out again: U·diag(S)·Vᵀ. */
export function singularPart(of: Expression, start: number, stop: number): Expression {
  const factor = (name: "u" | "s" | "vt"): Expression => compute({ name: "svd", factor: name, start, stop }, of);
  return product(hadamard(factor("u"), factor("s")), factor("vt"));
}
