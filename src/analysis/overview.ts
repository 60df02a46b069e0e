/** A checkpoint as the overview and the tensor table that views and the command line show. */
import type { Checkpoint, Tensor } from "../checkpoint/checkpoint";
import type { Overview } from "../protocol/inspect";
import { encodeTable, type TensorTable } from "../protocol/tensor-table";

type Totals = Pick<Overview, "parameters" | "bytes" | "dtypes">;

/** Parameters and bytes in all and by dtype. Bytes that several names share count once. */
export function totals(tensors: readonly Tensor[]): Totals {
  const dtypes = new Map<string, { tensors: number; parameters: number; bytes: number }>();
  const counted = new Set<string>();
  let parameters = 0;
  let bytes = 0;
  for (const tensor of tensors) {
    let entry = dtypes.get(tensor.dtype);
    if (entry === undefined) dtypes.set(tensor.dtype, (entry = { tensors: 0, parameters: 0, bytes: 0 }));
    entry.tensors++;
    const again = tensor.sharedWith?.some((name) => counted.has(name)) ?? false;
    if (tensor.sharedWith !== undefined) counted.add(tensor.name);
    if (again) continue;
    entry.parameters += tensor.parameters;
    entry.bytes += tensor.bytes;
    parameters += tensor.parameters;
    bytes += tensor.bytes;
  }
  return { parameters, bytes, dtypes: Object.fromEntries(dtypes) };
}

/** Everything about `checkpoint` but its tensors. */
export function overviewOf(checkpoint: Checkpoint, name: string, trusted: boolean): Overview {
  return {
    path: checkpoint.path,
    name,
    format: checkpoint.format,
    files: checkpoint.files.map(({ path, bytes, missing }) => ({ path, bytes, ...(missing ? { missing } : {}) })),
    ...totals(checkpoint.tensors),
    layers: checkpoint.layers,
    architecture: checkpoint.architecture,
    metadata: checkpoint.metadata,
    ...(checkpoint.tables === undefined ? {} : { tables: [...checkpoint.tables.keys()] }),
    findings: checkpoint.findings,
    ...(checkpoint.wholeModel === undefined ? {} : { wholeModel: checkpoint.wholeModel }),
    trusted,
  };
}

/** The tensors as columns, in file order. */
export function tableOf(checkpoint: Checkpoint): TensorTable {
  return encodeTable(checkpoint.tensors);
}
