/** Values of tensors as the engine reads them, for comparison with what a reference library read. */
import { createHash } from "node:crypto";
import type { Tensor } from "../../src/checkpoint/checkpoint";
import type { EngineClient } from "../../src/engine/client";
import type { Expression } from "../../src/engine/protocol";
import { toNumber, type Numeric } from "../../src/protocol/results";

/** Every value, row-major; empty tensors have none. `expression`: of a tensor that has to be loaded first. */
export async function allValues(engine: EngineClient, tensor: Tensor, expression: Expression = tensor.expression!): Promise<Numeric[]> {
  const { shape, parameters } = tensor;
  if (parameters === 0) return [];
  const rows = shape[0] ?? 1;
  const window = { rowStart: 0, rowStop: rows, columnStart: 0, columnStop: parameters / rows };
  return (await engine.request("values", { tensor: expression, window })).rows.flat();
}

/** SHA-256 of the values as little-endian f32, every NaN as 0x7fc00000. */
export function hashOfF32(values: readonly Numeric[]): string {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => {
    const number = toNumber(value);
    if (Number.isNaN(number)) bytes.writeUInt32LE(0x7fc00000, 4 * i);
    else bytes.writeFloatLE(number, 4 * i);
  });
  return createHash("sha256").update(bytes).digest("hex");
}
