/**
 * Evaluates the engine's expressions in plain TypeScript, slowly, in f64: the independent second opinion on what adapters
 * become. Decompositions by Householder reflections and one-sided Jacobi rotations.
 */
import { closeSync, openSync, readSync } from "node:fs";
import type { Dtype, Expression, Operation } from "../src/engine/protocol";

export interface Values {
  shape: number[];
  /** Row-major. */
  data: Float64Array;
}

/** The expression's values. */
export function evaluate(expression: Expression): Values {
  switch (expression.kind) {
    case "range":
      return { shape: expression.shape, data: decode(readBytes(expression), expression.dtype, expression.order === "big") };
    case "blocks":
      throw new Error("block-quantised types are not evaluated here");
    case "reshape": {
      const { data } = evaluate(expression.of);
      if (count(expression.shape) !== data.length) throw new Error(`reshape of ${data.length} values to [${expression.shape.join(", ")}]`);
      return { shape: expression.shape, data };
    }
    case "permute": {
      const of = evaluate(expression.of);
      const strides = stridesOf(of.shape);
      return walk(of, expression.axes.map((axis) => of.shape[axis]!), expression.axes.map((axis) => strides[axis]!), 0);
    }
    case "slice": {
      const of = evaluate(expression.of);
      const strides = stridesOf(of.shape);
      const shape = of.shape.map((length, axis) => (axis === expression.axis ? expression.stop - expression.start : length));
      return walk(of, shape, strides, expression.start * strides[expression.axis]!);
    }
    case "strided":
      return walk(evaluate(expression.of), expression.shape, expression.strides, expression.offset);
    case "combination": {
      const of = expression.of.map(evaluate);
      const { shape } = of[0]!;
      return { shape, data: Float64Array.from({ length: count(shape) }, (_, i) => of.reduce((sum, { data }, term) => sum + expression.coefficients[term]! * data[i]!, 0)) };
    }
    case "concatenate": {
      const of = expression.of.map(evaluate);
      const [, ...rest] = of[0]!.shape;
      return { shape: [of.reduce((sum, { shape }) => sum + shape[0]!, 0), ...rest], data: Float64Array.from(of.flatMap(({ data }) => [...data])) };
    }
    case "select": {
      const { shape, data } = evaluate(expression.of);
      const [, ...rest] = shape;
      const row = count(rest);
      const rows = [...new Uint32Array(Uint8Array.from(Buffer.from(expression.rows, "base64")).buffer)];
      return { shape: [rows.length, ...rest], data: Float64Array.from(rows.flatMap((index) => [...data.subarray(index * row, (index + 1) * row)])) };
    }
    case "cast": {
      const { shape, data } = evaluate(expression.of);
      const { dtype } = expression;
      return { shape, data: dtype === "F64" ? data : data.map((x) => rounded(x, dtype)) };
    }
    case "merge":
      return linear(expression, expression.of.map(evaluate));
    case "compute":
      return operate(expression.operation, expression.of.map(evaluate));
  }
}

/** A weighted sum in f32, in the order of the operands, rounded once; the other methods are not evaluated here. */
function linear({ method, dtype }: Extract<Expression, { kind: "merge" }>, of: Values[]): Values {
  if (method.name !== "linear" || dtype === "F64") throw new Error(`merges by ${method.name} in ${dtype} are not evaluated here`);
  const weights = method.weights.map(Math.fround);
  const total = method.normalize ? weights.reduce((sum, weight) => Math.fround(sum + weight)) : 1;
  const { shape, data } = of[0]!;
  return { shape, data: data.map((_, i) => rounded(Math.fround(of.reduce((sum, { data }, j) => Math.fround(sum + Math.fround(weights[j]! * data[i]!)), 0) / total), dtype)) };
}

function count(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

/** Every index of `shape`, as the flat position under `strides`. */
function* positions(shape: readonly number[], strides: readonly number[], start: number): Generator<number> {
  const total = count(shape);
  const index = shape.map(() => 0);
  let at = start;
  for (let i = 0; i < total; i++) {
    yield at;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      at -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
}

function walk(of: Values, shape: number[], strides: number[], start: number): Values {
  const data = new Float64Array(count(shape));
  let i = 0;
  for (const at of positions(shape, strides, start)) {
    if (at < 0 || at >= of.data.length) throw new Error(`position ${at} of ${of.data.length}`);
    data[i++] = of.data[at]!;
  }
  return { shape, data };
}

function readBytes({ file, offset, bytes }: Extract<Expression, { kind: "range" }>): Buffer {
  const buffer = Buffer.alloc(bytes);
  const handle = openSync(file, "r");
  try {
    if (readSync(handle, buffer, 0, bytes, offset) !== bytes) throw new Error(`${file} ends before ${offset + bytes}`);
  } finally {
    closeSync(handle);
  }
  return buffer;
}

function decode(bytes: Buffer, dtype: Dtype, big: boolean): Float64Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const each = (width: number, read: (at: number) => number): Float64Array => Float64Array.from({ length: bytes.length / width }, (_, i) => read(i * width));
  switch (dtype) {
    case "F64": return each(8, (at) => view.getFloat64(at, !big));
    case "F32": return each(4, (at) => view.getFloat32(at, !big));
    case "F16": return each(2, (at) => half(view.getUint16(at, !big)));
    case "BF16": return each(2, (at) => bfloat(view.getUint16(at, !big)));
    case "I64": return each(8, (at) => Number(view.getBigInt64(at, !big)));
    case "U64": return each(8, (at) => Number(view.getBigUint64(at, !big)));
    case "I32": return each(4, (at) => view.getInt32(at, !big));
    case "U32": return each(4, (at) => view.getUint32(at, !big));
    case "I16": return each(2, (at) => view.getInt16(at, !big));
    case "U16": return each(2, (at) => view.getUint16(at, !big));
    case "I8": return each(1, (at) => view.getInt8(at));
    case "U8":
    case "BOOL": return each(1, (at) => view.getUint8(at));
    case "F8_E4M3":
    case "F8_E5M2":
    case "F8_E4M3FNUZ":
    case "F8_E5M2FNUZ":
    case "F8_E8M0":
    case "F4":
      throw new Error(`${dtype} is not evaluated here`);
  }
}

function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

function bfloat(bits: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, bits << 16 >>> 0);
  return view.getFloat32(0);
}

function operate(operation: Operation, of: Values[]): Values {
  const [first = { shape: [], data: new Float64Array() }, second = first] = of;
  const mapped = (fn: (x: number) => number): Values => ({ shape: first.shape, data: first.data.map(fn) });
  switch (operation.name) {
    case "literal": return { shape: operation.shape, data: Float64Array.from(operation.values) };
    case "fill": return { shape: operation.shape, data: new Float64Array(count(operation.shape)).fill(operation.value) };
    case "identity": {
      const data = new Float64Array(operation.n ** 2);
      for (let i = 0; i < operation.n; i++) data[i * (operation.n + 1)] = 1;
      return { shape: [operation.n, operation.n], data };
    }
    case "torchUniform": return torchUniform(operation);
    case "torchPermutation": return torchPermutation(operation);
    case "add": return elementwise(first, second, (x, y) => x + y);
    case "subtract": return elementwise(first, second, (x, y) => x - y);
    case "multiply": return elementwise(first, second, (x, y) => x * y);
    case "divide": return elementwise(first, second, (x, y) => x / y);
    case "scale": return mapped((x) => x * operation.factor);
    case "map": return mapped(FUNCTIONS[operation.function]);
    case "clamp": return mapped((x) => Math.min(Math.max(x, operation.low ?? -Infinity), operation.high ?? Infinity));
    case "round": return mapped((x) => rounded(x, operation.dtype));
    case "product": return batched(first, second, product);
    case "kronecker": return batched(first, second, kronecker);
    case "concatenate": return concatenate(of, operation.axis);
    case "gather": return gather(first, second, operation.axis);
    case "scatter": {
      const data = new Float64Array(count(operation.shape));
      first.data.forEach((position, i) => {
        if (!Number.isInteger(position) || position < 0 || position >= data.length) throw new Error(`scatter to ${position} of ${data.length}`);
        data[position]! += second.data[i]!;
      });
      return { shape: operation.shape, data };
    }
    case "sum": return reduce(first, operation.axes, (sum, x) => sum + x, (x) => x);
    case "norm": return reduce(first, operation.axes, (sum, x) => sum + x * x, Math.sqrt);
    case "softmax": return rows(first, softmax);
    case "topSoftmax": return rows(first, (row) => topSoftmax(row, operation.k));
    case "topPositions": return { shape: [operation.k], data: Float64Array.from(largestFirst(first.data).slice(0, operation.k)) };
    case "inverse": return matrices(first, (matrix) => inverse(matrix));
    case "qr": return qr(first)[operation.factor];
    case "svd": return singular(first, operation);
    case "blockDiagonal": return blockDiagonal(first);
    case "skew": return skew(first, operation.n);
    case "inverseFourier": return inverseFourier(first);
    case "ulpDistance": return elementwise(first, second, (x, y) => order(x, operation.dtype) - order(y, operation.dtype));
    case "ulpShift": return elementwise(first, second, (x, steps) => fromOrder(order(x, operation.dtype) + steps, operation.dtype));
  }
}

const FUNCTIONS: Record<Extract<Operation, { name: "map" }>["function"], (x: number) => number> = {
  square: (x) => x * x,
  squareRoot: Math.sqrt,
  reciprocal: (x) => 1 / x,
  absolute: Math.abs,
  exponential: Math.exp,
  cosine: Math.cos,
  sine: Math.sin,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  relu: (x) => Math.max(x, 0),
  tanh: Math.tanh,
  gelu: (x) => 0.5 * x * (1 + errorFunction(x / Math.SQRT2)),
  silu: (x) => x / (1 + Math.exp(-x)),
  inverseTanh: Math.atanh,
  logarithm2: Math.log2,
  exponential2: (x) => 2 ** x,
  sign: Math.sign,
  nearestEven,
};

function nearestEven(x: number): number {
  const below = Math.floor(x);
  if (x - below !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}

/** Place of `x`, rounded to single precision, among its numbers: 0 for +0, −1 for −0, rising. */
function order(x: number, dtype: "F64" | "F32" | "F16" | "BF16"): number {
  if (dtype !== "F32") throw new Error(`steps of ${dtype} are not evaluated here`);
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, x);
  const bits = view.getUint32(0);
  return bits >= 2 ** 31 ? 2 ** 31 - 1 - bits : bits;
}

function fromOrder(place: number, dtype: "F64" | "F32" | "F16" | "BF16"): number {
  if (dtype !== "F32") throw new Error(`steps of ${dtype} are not evaluated here`);
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, place < 0 ? 2 ** 31 - 1 - place : place);
  return view.getFloat32(0);
}

/** erf by its Maclaurin series, which is exact enough up to 6. */
function errorFunction(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; n < 400 && Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

/** To the nearest value of a narrower type, ties to even; `-0` and non-finite values stay. */
export function rounded(x: number, dtype: "F32" | "F16" | "BF16"): number {
  if (dtype === "F32" || !Number.isFinite(x) || x === 0) return Math.fround(x);
  const [fraction, least, largest] = dtype === "F16" ? [10, -14, 65504] : [7, -126, 2 ** 127 * (2 - 2 ** -7)];
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(x))), least);
  const step = 2 ** (exponent - fraction);
  const scaled = x / step;
  const floor = Math.floor(scaled);
  const rest = scaled - floor;
  const value = (rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor) * step;
  return Math.abs(value) > largest ? Math.sign(value) * Infinity : value;
}

function broadcastShape(a: readonly number[], b: readonly number[]): number[] {
  const axes = Math.max(a.length, b.length);
  return Array.from({ length: axes }, (_, i) => {
    const x = a[a.length - axes + i] ?? 1;
    const y = b[b.length - axes + i] ?? 1;
    if (x !== y && x !== 1 && y !== 1) throw new Error(`[${a.join(", ")}] and [${b.join(", ")}] do not broadcast`);
    return x === 1 ? y : x;
  });
}

/** `of` repeated to `shape`. */
function spread(of: Values, shape: number[]): Float64Array {
  const own = stridesOf(of.shape);
  const lead = shape.length - of.shape.length;
  return walk(of, shape, shape.map((_, i) => (i < lead || of.shape[i - lead] === 1 ? 0 : own[i - lead]!)), 0).data;
}

function elementwise(a: Values, b: Values, fn: (x: number, y: number) => number): Values {
  const shape = broadcastShape(a.shape, b.shape);
  const [x, y] = [spread(a, shape), spread(b, shape)];
  return { shape, data: x.map((value, i) => fn(value, y[i]!)) };
}

/** A matrix operation over the last two axes of both, broadcasting the others. */
function batched(a: Values, b: Values, fn: (a: Values, b: Values) => Values): Values {
  const batch = broadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const [x, y] = [a, b].map((of) => ({ matrix: of.shape.slice(-2), data: spread(of, [...batch, ...of.shape.slice(-2)]) })) as [Block, Block];
  const parts = Array.from({ length: count(batch) }, (_, i) => fn(matrixAt(x, i), matrixAt(y, i)));
  return { shape: [...batch, ...fn(zeros(x.matrix), zeros(y.matrix)).shape], data: joined(parts) };
}
interface Block {
  matrix: number[];
  data: Float64Array;
}

function zeros(shape: number[]): Values {
  return { shape, data: new Float64Array(count(shape)) };
}

function matrixAt({ matrix, data }: Block, i: number): Values {
  const size = count(matrix);
  return { shape: matrix, data: data.subarray(i * size, (i + 1) * size) };
}

function joined(parts: readonly Values[]): Float64Array {
  const data = new Float64Array(parts.reduce((total, part) => total + part.data.length, 0));
  let at = 0;
  for (const part of parts) {
    data.set(part.data, at);
    at += part.data.length;
  }
  return data;
}

function matrices(of: Values, fn: (matrix: Values) => Values): Values {
  const block = { matrix: of.shape.slice(-2), data: of.data };
  const parts = Array.from({ length: count(of.shape.slice(0, -2)) }, (_, i) => fn(matrixAt(block, i)));
  return { shape: of.shape, data: joined(parts) };
}

export function product(a: Values, b: Values): Values {
  const [m, k] = a.shape as [number, number];
  const n = b.shape[1]!;
  if (b.shape[0] !== k) throw new Error(`product of [${a.shape.join(", ")}] and [${b.shape.join(", ")}]`);
  const data = new Float64Array(m * n);
  for (let i = 0; i < m; i++) for (let l = 0; l < k; l++) for (let j = 0; j < n; j++) data[i * n + j]! += a.data[i * k + l]! * b.data[l * n + j]!;
  return { shape: [m, n], data };
}

function kronecker(a: Values, b: Values): Values {
  const [m, n] = a.shape as [number, number];
  const [p, q] = b.shape as [number, number];
  const data = new Float64Array(m * n * p * q);
  for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) for (let k = 0; k < p; k++) for (let l = 0; l < q; l++) data[(i * p + k) * n * q + j * q + l] = a.data[i * n + j]! * b.data[k * q + l]!;
  return { shape: [m * p, n * q], data };
}

function concatenate(of: Values[], axis: number): Values {
  const shape = [...of[0]!.shape];
  shape[axis] = of.reduce((total, part) => total + part.shape[axis]!, 0);
  const outer = count(shape.slice(0, axis));
  const parts: Values[] = [];
  for (let i = 0; i < outer; i++) {
    for (const part of of) {
      const size = count(part.shape.slice(axis));
      parts.push({ shape: [size], data: part.data.subarray(i * size, (i + 1) * size) });
    }
  }
  return { shape, data: joined(parts) };
}

function gather(of: Values, indices: Values, axis: number): Values {
  const shape = of.shape.map((length, i) => (i === axis ? indices.data.length : length));
  const inner = count(shape.slice(axis + 1));
  const outer = count(shape.slice(0, axis));
  const data = new Float64Array(count(shape));
  let at = 0;
  for (let i = 0; i < outer; i++) {
    for (const index of indices.data) {
      if (!Number.isInteger(index) || index < 0 || index >= of.shape[axis]!) throw new Error(`gather of ${index} from ${of.shape[axis]}`);
      const from = (i * of.shape[axis]! + index) * inner;
      data.set(of.data.subarray(from, from + inner), at);
      at += inner;
    }
  }
  return { shape, data };
}

function reduce(of: Values, axes: readonly number[], step: (sum: number, x: number) => number, end: (sum: number) => number): Values {
  const shape = of.shape.map((length, axis) => (axes.includes(axis) ? 1 : length));
  const strides = stridesOf(shape);
  const data = new Float64Array(count(shape));
  let i = 0;
  for (const at of positions(of.shape, of.shape.map((_, axis) => (axes.includes(axis) ? 0 : strides[axis]!)), 0)) data[at] = step(data[at]!, of.data[i++]!);
  return { shape, data: data.map(end) };
}

function rows(of: Values, fn: (row: Float64Array) => Float64Array): Values {
  const length = of.shape.at(-1) ?? 1;
  const data = new Float64Array(of.data.length);
  for (let at = 0; at < data.length; at += length) data.set(fn(of.data.subarray(at, at + length)), at);
  return { shape: of.shape, data };
}

function softmax(row: Float64Array): Float64Array {
  const largest = row.reduce((a, b) => Math.max(a, b), -Infinity);
  const weights = row.map((x) => Math.exp(x - largest));
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / total);
}

function topSoftmax(row: Float64Array, k: number): Float64Array {
  const order = largestFirst(row).slice(0, k);
  const weights = softmax(Float64Array.from(order, (i) => row[i]!));
  const data = new Float64Array(row.length);
  order.forEach((index, i) => { data[index] = weights[i]!; });
  return data;
}

/** Positions, the largest value first; of equal values the earlier first. */
function largestFirst(values: Float64Array): number[] {
  return [...values.keys()].sort((i, j) => values[j]! - values[i]! || i - j);
}

/** Gauss–Jordan elimination with partial pivoting. */
function inverse(of: Values): Values {
  const n = of.shape[0]!;
  const left = Float64Array.from(of.data);
  const right = new Float64Array(n * n);
  for (let i = 0; i < n; i++) right[i * (n + 1)] = 1;
  for (let column = 0; column < n; column++) {
    let pivot = column;
    for (let i = column + 1; i < n; i++) if (Math.abs(left[i * n + column]!) > Math.abs(left[pivot * n + column]!)) pivot = i;
    for (const matrix of [left, right]) {
      for (let j = 0; j < n; j++) [matrix[column * n + j], matrix[pivot * n + j]] = [matrix[pivot * n + j]!, matrix[column * n + j]!];
    }
    const head = left[column * n + column]!;
    for (let j = 0; j < n; j++) { left[column * n + j]! /= head; right[column * n + j]! /= head; }
    for (let i = 0; i < n; i++) {
      const factor = left[i * n + column]!;
      if (i === column || factor === 0) continue;
      for (let j = 0; j < n; j++) { left[i * n + j]! -= factor * left[column * n + j]!; right[i * n + j]! -= factor * right[column * n + j]!; }
    }
  }
  return { shape: of.shape, data: right };
}

/** Thin QR by Householder reflections with LAPACK's signs: R's diagonal is −sign(α)·‖x‖. */
export function qr(of: Values): { q: Values; r: Values } {
  const [m, n] = of.shape as [number, number];
  const k = Math.min(m, n);
  const r = Float64Array.from(of.data);
  const reflectors: Float64Array[] = [];
  for (let j = 0; j < k; j++) {
    const v = Float64Array.from({ length: m }, (_, i) => (i < j ? 0 : r[i * n + j]!));
    const rest = Math.hypot(...v.subarray(j + 1));
    if (rest > 0) {
      v[j]! += (v[j]! < 0 ? -1 : 1) * Math.hypot(v[j]!, rest);
      const length = Math.hypot(...v);
      for (let i = j; i < m; i++) v[i]! /= length;
      reflect(r, m, n, v);
    } else v.fill(0);
    reflectors.push(v);
  }
  const q = new Float64Array(m * k);
  for (let i = 0; i < k; i++) q[i * k + i] = 1;
  for (const v of reflectors.reverse()) reflect(q, m, k, v);
  return {
    q: { shape: [m, k], data: q },
    r: { shape: [k, n], data: r.subarray(0, k * n).map((x, at) => (at % n < Math.floor(at / n) ? 0 : x)) },
  };
}

/** (I − 2vvᵀ)·A in place, A (m, n). */
function reflect(a: Float64Array, m: number, n: number, v: Float64Array): void {
  for (let j = 0; j < n; j++) {
    let dot = 0;
    for (let i = 0; i < m; i++) dot += v[i]! * a[i * n + j]!;
    for (let i = 0; i < m; i++) a[i * n + j]! -= 2 * dot * v[i]!;
  }
}

/** Thin SVD by one-sided Jacobi rotations, singular values largest first. */
export function svd(of: Values): { u: Values; s: Values; vt: Values } {
  const [m, n] = of.shape as [number, number];
  if (m < n) {
    const { u, s, vt } = svd(transposed(of));
    return { u: transposed(vt), s, vt: transposed(u) };
  }
  const a = transposed(of).data;
  const v = new Float64Array(n * n);
  for (let i = 0; i < n; i++) v[i * (n + 1)] = 1;
  for (let sweep = 0; sweep < 60; sweep++) {
    let rotated = false;
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        let [alpha, beta, gamma] = [0, 0, 0];
        for (let i = 0; i < m; i++) {
          const [x, y] = [a[p * m + i]!, a[q * m + i]!];
          alpha += x * x;
          beta += y * y;
          gamma += x * y;
        }
        if (Math.abs(gamma) <= 1e-15 * Math.sqrt(alpha * beta)) continue;
        rotated = true;
        const zeta = (beta - alpha) / (2 * gamma);
        const t = (zeta < 0 ? -1 : 1) / (Math.abs(zeta) + Math.sqrt(1 + zeta * zeta));
        const c = 1 / Math.sqrt(1 + t * t);
        rotate(a, m, p, q, c, c * t);
        rotate(v, n, p, q, c, c * t);
      }
    }
    if (!rotated) break;
  }
  const sigma = Array.from({ length: n }, (_, j) => Math.hypot(...a.subarray(j * m, (j + 1) * m)));
  const order = sigma.map((_, j) => j).sort((i, j) => sigma[j]! - sigma[i]!);
  const u = new Float64Array(m * n);
  const vt = new Float64Array(n * n);
  order.forEach((from, j) => {
    for (let i = 0; i < m; i++) u[i * n + j] = sigma[from] === 0 ? 0 : a[from * m + i]! / sigma[from]!;
    vt.set(v.subarray(from * n, (from + 1) * n), j * n);
  });
  return { u: { shape: [m, n], data: u }, s: { shape: [n], data: Float64Array.from(order, (j) => sigma[j]!) }, vt: { shape: [n, n], data: vt } };
}

function rotate(a: Float64Array, m: number, p: number, q: number, c: number, s: number): void {
  for (let i = 0; i < m; i++) {
    const [x, y] = [a[p * m + i]!, a[q * m + i]!];
    a[p * m + i] = c * x - s * y;
    a[q * m + i] = s * x + c * y;
  }
}

export function transposed(of: Values): Values {
  const [m, n] = of.shape as [number, number];
  return walk(of, [n, m], [1, n], 0);
}

function singular(of: Values, { factor, start, stop }: Extract<Operation, { name: "svd" }>): Values {
  const { u, s, vt } = svd(of);
  if (factor === "s") return { shape: [stop - start], data: s.data.slice(start, stop) };
  const [m, n] = factor === "u" ? (u.shape as [number, number]) : (vt.shape as [number, number]);
  return factor === "u" ? walk(u, [m, stop - start], [n, 1], start) : walk(vt, [stop - start, n], [n, 1], start * n);
}

function blockDiagonal(of: Values): Values {
  const [b, m, n] = of.shape as [number, number, number];
  const data = new Float64Array(b * m * b * n);
  for (let k = 0; k < b; k++) for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) data[(k * m + i) * b * n + k * n + j] = of.data[(k * m + i) * n + j]!;
  return { shape: [b * m, b * n], data };
}

function skew(of: Values, n: number): Values {
  const entries = (n * (n - 1)) / 2;
  const stack = count(of.shape.slice(0, -1));
  const data = new Float64Array(stack * n * n);
  for (let k = 0; k < stack; k++) {
    let at = k * entries;
    for (let i = 0; i < n; i++) {
      for (let j = i + 1; j < n; j++) {
        data[(k * n + i) * n + j] = of.data[at]!;
        data[(k * n + j) * n + i] = -of.data[at++]!;
      }
    }
  }
  return { shape: [...of.shape.slice(0, -1), n, n], data };
}

function inverseFourier(of: Values): Values {
  const [m, n] = of.shape as [number, number];
  const data = new Float64Array(m * n);
  const nonZero = [...of.data.keys()].filter((at) => of.data[at] !== 0);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (const at of nonZero) sum += of.data[at]! * Math.cos(2 * Math.PI * ((i * Math.floor(at / n)) / m + (j * (at % n)) / n));
      data[i * n + j] = sum / (m * n);
    }
  }
  return { shape: [m, n], data };
}

/** Matsumoto and Nishimura's mt19937, as torch's CPU generator uses it. */
class MersenneTwister {
  private readonly state = new Uint32Array(624);
  private at = 624;

  constructor(seed: number) {
    this.state[0] = seed;
    for (let i = 1; i < 624; i++) {
      const before = this.state[i - 1]!;
      this.state[i] = Math.imul(1812433253, before ^ (before >>> 30)) + i;
    }
  }

  next(): number {
    if (this.at === 624) this.refill();
    let y = this.state[this.at++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  private refill(): void {
    const { state } = this;
    for (let i = 0; i < 624; i++) {
      const y = (state[i]! & 0x80000000) | (state[(i + 1) % 624]! & 0x7fffffff);
      state[i] = state[(i + 397) % 624]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.at = 0;
  }
}

function torchUniform({ seed, skip, low, high, dtype, shape }: Extract<Operation, { name: "torchUniform" }>): Values {
  const random = new MersenneTwister(seed);
  for (let i = 0; i < skip; i++) random.next();
  const span = Math.fround(Math.fround(high) - Math.fround(low));
  const data = Float64Array.from({ length: count(shape) }, () => {
    const x = Math.fround(Math.fround((random.next() & 0xffffff) * 2 ** -24 * span) + Math.fround(low));
    const value = rounded(x, dtype);
    return dtype !== "F32" && value === rounded(high, dtype) ? rounded(low, dtype) : value;
  });
  return { shape, data };
}

function torchPermutation({ seed, count: length, take }: Extract<Operation, { name: "torchPermutation" }>): Values {
  const random = new MersenneTwister(seed);
  const order = Float64Array.from({ length }, (_, i) => i);
  for (let i = 0; i < length - 1; i++) {
    const other = i + (random.next() % (length - i));
    [order[i], order[other]] = [order[other]!, order[i]!];
  }
  return { shape: [take], data: order.slice(0, take) };
}
