/** What the codes of a signature stand for. */
import type { Engine } from "../../src/analysis/engine";
import { valuesOf, type Signature } from "../../src/analysis/signature/signature-file";
import { toNumber } from "../../src/protocol/results";

/** Every value of one tensor, row-major, as the engine decodes it. */
export async function decodedValues(signature: Signature, name: string, engine: Engine): Promise<number[]> {
  const { shape } = signature.tensors.get(name)!;
  const parameters = shape.reduce((product, length) => product * length, 1);
  const rows = shape[0] ?? 1;
  const window = { rowStart: 0, rowStop: rows, columnStart: 0, columnStop: parameters / rows };
  return (await engine.request("values", { tensor: valuesOf(signature, name), window })).rows.flat().map(toNumber);
}
