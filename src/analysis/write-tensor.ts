/** One tensor's values into a file, by the engine. */
import { CheckpointError } from "../checkpoint/checkpoint";
import { grouped, quote } from "../checkpoint/quote";
import { EngineError, type EngineErrorCode } from "../engine/error";
import type { OutputTensor } from "./convert";
import type { Engine } from "./engine";
import { lowered } from "./output-file";

/** The request was cancelled, or the process failed rather than the request. */
const ABOUT_NO_TENSOR: ReadonlySet<EngineErrorCode> = new Set(["cancelled", "crashed", "failed", "missing", "version"]);

/** What is needed of a tensor to write it. */
export type Written = Pick<OutputTensor, "name" | "bytes" | "written" | "read">;

/**
 * Writes one tensor from byte `offset` of `file`, which is there and long enough.
 * @param onShare told how much of it is written, in [0, 1].
 * @returns how many of the written elements are not finite; 0 where they were copied.
 * @throws CheckpointError about what is read; EngineError about `file`, or when the request was cancelled or the engine ended.
 */
export async function writeTensor(tensor: Written, file: string, offset: number, engine: Engine, signal: AbortSignal, onShare: (share: number) => void): Promise<number> {
  const expression = await tensor.read(signal);
  const onProgress = ({ done, total }: { done: number; total: number }): void => onShare(total > 0 ? Math.min(done / total, 1) : 0);
  try {
    const { bytes, nonFinite } = await engine.request("write", { tensor: expression, dtype: tensor.written, file, offset }, { signal, onProgress });
    if (bytes !== tensor.bytes) throw new EngineError("internal", `${quote(tensor.name)} has ${grouped(bytes)} bytes where ${grouped(tensor.bytes)} were laid out.`);
    return nonFinite;
  } catch (error) {
    if (!(error instanceof EngineError) || ABOUT_NO_TENSOR.has(error.code) || error.file === file) throw error;
    throw new CheckpointError(error.code === "io" || error.code === "truncated" ? error.code : "unsupported", lowered(error.message), error.file ?? "", { tensor: tensor.name });
  }
}
