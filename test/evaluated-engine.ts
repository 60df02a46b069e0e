/** What the engine answers, from the independent evaluator: spectra, norms, differences, relations, orders of lines. */
import type { Engine } from "../src/analysis/engine";
import type { EngineMethod, EngineRequests, Expression } from "../src/engine/protocol";
import { difference, lineHashes, match, relations, residual } from "./evaluated-relations";
import { evaluate, svd, type Values } from "./expressions";

const how = { method: "one-sided Jacobi", precision: "f64", exact: true, backend: "cpu", threads: 1 };

const WITHOUT_ONE_TENSOR = { difference, lineHashes, match, relations, residual };

export class EvaluatedEngine implements Engine {
  request<M extends EngineMethod>(method: M, params: unknown): Promise<EngineRequests[M]["result"]> {
    if (method in WITHOUT_ONE_TENSOR) return Promise.resolve(WITHOUT_ONE_TENSOR[method as keyof typeof WITHOUT_ONE_TENSOR](params as never) as never);
    const matrix = evaluate((params as { tensor: Expression }).tensor);
    if (method === "spectrum") return Promise.resolve(spectrum(matrix) as never);
    if (method === "norms") return Promise.resolve(norms(matrix) as never);
    if (method === "statistics") return Promise.resolve({ l2: Math.hypot(...matrix.data) } as never);
    throw new Error(`${method} is not evaluated here`);
  }
}

function asMatrix({ shape, data }: Values): Values {
  return { shape: [shape[0]!, shape.slice(1).reduce((a, b) => a * b, 1)], data };
}

function spectrum(of: Values): object {
  const matrix = asMatrix(of);
  const [rows, columns] = matrix.shape as [number, number];
  const values = [...svd(matrix).s.data];
  const total = values.reduce((sum, value) => sum + value * value, 0);
  const mass = values.reduce((sum, value) => sum + value, 0);
  const energy = (share: number): number => {
    let sum = 0;
    return total === 0 ? 0 : 1 + values.findIndex((value) => (sum += value * value) >= share * total);
  };
  const entropy = values.reduce((sum, value) => (value > 0 ? sum - (value / mass) * Math.log(value / mass) : sum), 0);
  return {
    rows, columns, singularValues: values, frobeniusNorm: Math.sqrt(total), spectralNorm: values[0] ?? 0,
    stableRank: total === 0 ? 0 : total / values[0]! ** 2, effectiveRank: total === 0 ? 0 : Math.exp(entropy),
    energyRank: { "0.9": energy(0.9), "0.95": energy(0.95), "0.99": energy(0.99) },
    matrixRank: 0, conditionNumber: "Infinity", marchenkoPastur: { edge: 0, above: 0 }, powerLaw: null, how,
  };
}

function norms(of: Values): object {
  const { shape, data } = asMatrix(of);
  const [m, n] = shape as [number, number];
  const rows = Array.from({ length: m }, (_, i) => Math.hypot(...data.subarray(i * n, (i + 1) * n)));
  const columns = Array.from({ length: n }, (_, j) => Math.hypot(...rows.map((_, i) => data[i * n + j]!)));
  return { rows: { pooled: rows }, columns: { pooled: columns }, how };
}
