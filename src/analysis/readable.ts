/** How the engine reads a tensor, also one whose values have to be decoded to a file first. */
import { CheckpointError, type Tensor } from "../checkpoint/checkpoint";
import type { Expression } from "../engine/protocol";
import { Coalescer } from "./coalesce";

const loaded = new WeakMap<Tensor, Expression>();
const loading = new WeakMap<Tensor, Coalescer>();

/** Whether the tensor's values can be had at all. */
export function isReadable({ expression, load }: Tensor): boolean {
  return expression !== null || load !== undefined;
}

/**
 * The tensor as the engine reads it. Values that need decoding are decoded at the first call, which may take as long as
 * reading the file; later calls, and those made meanwhile, share that.
 * @param file path of the tensor's file, for the message.
 * @throws CheckpointError when the values cannot be decoded.
 */
export async function expressionOf(tensor: Tensor, file: string, signal?: AbortSignal): Promise<Expression> {
  if (tensor.expression !== null) return tensor.expression;
  const { load } = tensor;
  if (load === undefined) throw new CheckpointError("unsupported", tensor.unreadable ?? "its values cannot be decoded", file, { tensor: tensor.name });
  const known = loaded.get(tensor);
  if (known !== undefined) return known;
  let coalescer = loading.get(tensor);
  if (coalescer === undefined) loading.set(tensor, (coalescer = new Coalescer()));
  return coalescer.share("load", signal, async (shared) => {
    const expression = await load.call(tensor, shared);
    loaded.set(tensor, expression);
    return expression;
  });
}
