/** The change B − A as the engine reads it, and where its values lie. */
import { combination, reshape, scale, shapeOf } from "../../checkpoint/adapters/build";
import type { Expression } from "../../engine/protocol";

/**
 * B − A in A's shape. Where one side is the other plus an update, the update itself: exact, and of a spectrum that is had from its factors.
 * @param a, b of equally many elements.
 */
export function changeOf(a: Expression, b: Expression): Expression {
  const shape = shapeOf(a);
  const forth = updateOn(a, b);
  if (forth !== null) return reshape(forth, shape);
  const back = updateOn(b, a);
  if (back !== null) return scale(reshape(back, shape), -1);
  return combination([reshape(b, shape), a], [1, -1]);
}

/** What is added to `base` in `sum`; null when that is no such sum. */
function updateOn(base: Expression, sum: Expression): Expression | null {
  if (sum.kind !== "combination" || sum.of.length < 2 || sum.coefficients[0] !== 1) return null;
  const [first, ...updates] = sum.of;
  if (JSON.stringify(first) !== JSON.stringify(base)) return null;
  const [factor = 1, ...others] = sum.coefficients.slice(1);
  return others.length === 0 ? scale(updates[0]!, factor) : combination(updates, [factor, ...others]);
}

/** The mode-`axis` unfolding: that axis against all others, in their order. */
export function unfolded(tensor: Expression, axis: number): Expression {
  const shape = shapeOf(tensor);
  const others = shape.map((_, i) => i).filter((i) => i !== axis);
  const turned: Expression = axis === 0 ? tensor : { kind: "permute", of: tensor, axes: [axis, ...others] };
  return reshape(turned, [shape[axis]!, others.reduce((product, i) => product * shape[i]!, 1)]);
}

/** Paths of the files that hold what the expressions read. */
export function filesOf(...expressions: Expression[]): Set<string> {
  const files = new Set<string>();
  const visit = (expression: Expression): void => {
    switch (expression.kind) {
      case "range":
      case "blocks":
        files.add(expression.file);
        break;
      case "combination":
      case "concatenate":
      case "compute":
        expression.of.forEach(visit);
        break;
      case "merge":
        expression.of.forEach(visit);
        if (expression.base !== undefined) visit(expression.base);
        break;
      default:
        visit(expression.of);
    }
  };
  expressions.forEach(visit);
  return files;
}

/** Whether anything of it is computed: then a part of it may cost as much as all of it. */
export function isComputed(expression: Expression): boolean {
  switch (expression.kind) {
    case "range":
    case "blocks":
      return false;
    case "compute":
    case "merge":
      return true;
    case "combination":
    case "concatenate":
      return expression.of.some(isComputed);
    default:
      return isComputed(expression.of);
  }
}
