/** Paths in the terms in which the user named the input. */
import path from "node:path";

/** Shows absolute paths relative to the operand's folder, as the operand was written: scripts can open them from where they are. */
export function shownFrom(operand: string): (absolute: string) => string {
  const asked = path.resolve(operand);
  return (absolute) => {
    if (absolute === asked) return operand;
    const inside = path.relative(asked, absolute);
    if (!outside(inside)) return path.join(operand, inside);
    const beside = path.relative(path.dirname(asked), absolute);
    return outside(beside) ? absolute : path.join(path.dirname(operand), beside);
  };
}

function outside(relative: string): boolean {
  return relative === ".." || relative.startsWith(`..${path.sep}`) || path.isAbsolute(relative);
}
