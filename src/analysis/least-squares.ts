/** Least squares from inner products: for few unknowns and any number of elements. */

/** Eigenvalues below this share of the largest are zero: columns of unit norm that lie this close to a combination of the others. */
const DEPENDENT = 1e-12;

export interface LeastSquares {
  /** Of the smallest norm among those that fit equally well. */
  coefficients: number[];
  /** Unknowns that other unknowns can stand for, so that their coefficients are not determined; ascending. */
  undetermined: number[];
}

/**
 * The coefficients c that minimise ‖t − Σ c_i x_i‖.
 * @param gram ⟨x_i, x_j⟩.
 * @param right ⟨x_i, t⟩.
 */
export function leastSquares(gram: readonly (readonly number[])[], right: readonly number[]): LeastSquares {
  const lengths = gram.map((row, i) => Math.sqrt(row[i]!));
  const used = [...lengths.keys()].filter((i) => lengths[i]! > 0);
  const { values, vectors } = symmetricEigen(used.map((i) => used.map((j) => gram[i]![j]! / lengths[i]! / lengths[j]!)));
  const largest = values.reduce((most, value) => Math.max(most, value), 0);
  // In columns scaled to unit norm, so that one of small norm is no less a column.
  const scaled = new Array<number>(used.length).fill(0);
  const free: number[][] = [];
  for (const [k, vector] of vectors.entries()) {
    if (values[k]! <= DEPENDENT * largest) {
      free.push(vector.map((x, i) => x / lengths[used[i]!]!));
      continue;
    }
    const weight = vector.reduce((sum, x, i) => sum + (x * right[used[i]!]!) / lengths[used[i]!]!, 0) / values[k]!;
    vector.forEach((x, i) => { scaled[i]! += weight * x; });
  }
  const solution = scaled.map((x, i) => x / lengths[used[i]!]!);
  // What changes nothing of the fit is taken out of the coefficients themselves.
  for (const direction of orthonormal(free)) {
    const along = dot(direction, solution);
    direction.forEach((x, i) => { solution[i]! -= along * x; });
  }
  const coefficients = new Array<number>(gram.length).fill(0);
  used.forEach((at, i) => { coefficients[at] = solution[i]!; });
  const undetermined = used.filter((_, i) => free.some((direction) => Math.abs(direction[i]!) > 1e-6 * Math.hypot(...direction)));
  return { coefficients, undetermined };
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, x, i) => sum + x * b[i]!, 0);
}

/** Gram and Schmidt, twice. */
function orthonormal(vectors: readonly number[][]): number[][] {
  const basis: number[][] = [];
  for (const vector of vectors) {
    let rest = vector;
    for (let pass = 0; pass < 2; pass++) {
      for (const other of basis) {
        const along = dot(other, rest);
        rest = rest.map((x, i) => x - along * other[i]!);
      }
    }
    const length = Math.hypot(...rest);
    if (length > 1e-9 * Math.hypot(...vector)) basis.push(rest.map((x) => x / length));
  }
  return basis;
}

/** Eigenvalues and eigenvectors of a symmetric matrix, by Jacobi's rotations. */
export function symmetricEigen(matrix: readonly (readonly number[])[]): { values: number[]; vectors: number[][] } {
  const n = matrix.length;
  const a = matrix.map((row) => [...row]);
  const vectors = a.map((_, i) => a.map((__, j): number => (i === j ? 1 : 0)));
  for (let sweep = 0; sweep < 100; sweep++) {
    let off = 0;
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) off += a[p]![q]! ** 2;
    if (off < 1e-36) break;
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        if (a[p]![q] === 0) continue;
        const theta = (a[q]![q]! - a[p]![p]!) / (2 * a[p]![q]!);
        const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1));
        const c = 1 / Math.hypot(t, 1);
        const s = t * c;
        for (let k = 0; k < n; k++) [a[k]![p], a[k]![q]] = [c * a[k]![p]! - s * a[k]![q]!, s * a[k]![p]! + c * a[k]![q]!];
        for (let k = 0; k < n; k++) [a[p]![k], a[q]![k]] = [c * a[p]![k]! - s * a[q]![k]!, s * a[p]![k]! + c * a[q]![k]!];
        for (let k = 0; k < n; k++) [vectors[p]![k], vectors[q]![k]] = [c * vectors[p]![k]! - s * vectors[q]![k]!, s * vectors[p]![k]! + c * vectors[q]![k]!];
      }
    }
  }
  return { values: a.map((row, i) => row[i]!), vectors };
}
