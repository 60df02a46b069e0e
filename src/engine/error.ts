/** Why an engine request failed, in one sentence. */
import { ErrorCode, type ErrorData } from "./protocol";

/** The protocol's codes by name, and what can befall the process itself. */
export type EngineErrorCode =
  | keyof typeof ErrorCode
  /** There is no engine at its path, or it cannot be executed. */
  | "missing"
  /** The engine speaks another version of the protocol. */
  | "version"
  /** The process ended while the request was under way. */
  | "crashed"
  /** It was not started, or has crashed too often. */
  | "failed";

export class EngineError extends Error {
  readonly where: { offset?: number };

  constructor(readonly code: EngineErrorCode, message: string, readonly file?: string, offset?: number) {
    super(message);
    this.name = "EngineError";
    this.where = offset === undefined ? {} : { offset };
  }
}

const NAMES = new Map<number, keyof typeof ErrorCode>(Object.entries(ErrorCode).map(([name, code]) => [code, name as keyof typeof ErrorCode]));

/** An error as the engine answers it. Codes this version does not know count as internal. */
export function fromAnswer(code: number, message: string, data: unknown): EngineError {
  const { file, offset } = (typeof data === "object" && data !== null ? data : {}) as ErrorData;
  return new EngineError(NAMES.get(code) ?? "internal", message, file, offset);
}

export function cancelled(): EngineError {
  return new EngineError("cancelled", "Cancelled.");
}
