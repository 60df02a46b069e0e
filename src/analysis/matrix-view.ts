/** Looking at a tensor of any number of axes as a matrix. */
import type { Expression } from "../engine/protocol";
import type { MatrixView } from "../protocol/inspect";

/** The view does not fit the tensor; the message says how. */
export class MatrixViewError extends Error {
  readonly code = "usage";
  constructor(message: string) {
    super(message);
    this.name = "MatrixViewError";
  }
}

/**
 * The matrix that `view` picks out of `tensor`, as an expression of shape rows × columns: the other axes are sliced at
 * their index, rows and columns brought to the front. A vector is one row of its elements, a scalar 1 × 1, whatever the view says.
 * @param shape of `tensor`.
 * @throws MatrixViewError when an axis or an index does not exist.
 */
export function viewAsMatrix(tensor: Expression, shape: readonly number[], view: MatrixView): Expression {
  if (shape.length < 2) return { kind: "reshape", of: tensor, shape: [1, shape[0] ?? 1] };
  const { rowAxis, columnAxis, indices } = view;
  for (const axis of [rowAxis, columnAxis]) {
    if (!Number.isInteger(axis) || axis < 0 || axis >= shape.length) throw new MatrixViewError(`there is no axis ${axis}: the tensor has ${shape.length} axes`);
  }
  if (rowAxis === columnAxis) throw new MatrixViewError("rows and columns must be different axes");

  let expression = tensor;
  const others: number[] = [];
  for (let axis = 0; axis < shape.length; axis++) {
    if (axis === rowAxis || axis === columnAxis) continue;
    const index = indices[axis] ?? 0;
    if (!Number.isInteger(index) || index < 0 || index >= shape[axis]!) throw new MatrixViewError(`there is no index ${index} on axis ${axis}: it has ${shape[axis]} entries`);
    if (shape[axis] !== 1) expression = { kind: "slice", of: expression, axis, start: index, stop: index + 1 };
    others.push(axis);
  }
  const order = [rowAxis, columnAxis, ...others];
  if (order.some((axis, i) => axis !== i)) expression = { kind: "permute", of: expression, axes: order };
  return others.length === 0 ? expression : { kind: "reshape", of: expression, shape: [shape[rowAxis]!, shape[columnAxis]!] };
}

/** Rows and columns of the matrix that norms and spectra see: the first axis × the product of the rest. Null for scalars and vectors. */
export function flattened(shape: readonly number[]): { rows: number; columns: number } | null {
  if (shape.length < 2) return null;
  return { rows: shape[0]!, columns: shape.slice(1).reduce((product, n) => product * n, 1) };
}
