/** How a command ends when it cannot do what was asked. */
import { toWireError, type WireError } from "../protocol/rpc";

/** Exit statuses; scripts rely on them. */
export const Exit = { done: 0, no: 1, failed: 2, interrupted: 130 } as const;

/**
 * What went wrong, as scripts get it: the operand stands for the file where the error names none.
 * @param show how a path is shown, in the terms of the operand.
 */
export function describeFailure(error: unknown, operand: string | undefined, show: (path: string) => string): WireError & { file: string } {
  const wire = toWireError(error);
  return { ...wire, message: wire.message.replace(/\.$/, ""), file: wire.file === undefined ? (operand ?? "") : show(wire.file) };
}

/** Standard error's last line. */
export function failureLine({ file, message, tensor }: WireError & { file: string }): string {
  const where = tensor === undefined || message.includes(tensor) ? "" : ` (tensor ${JSON.stringify(tensor)})`;
  return `weight-loupe: ${file === "" ? "" : `${file}: `}${message}${where}`;
}
