/**
 * Typed calls between host and webview over `postMessage`. An API is an interface of async methods; every call is
 * answered, with a value or with an error; notifications are calls nobody waits for.
 */

export type Api = { [method: string]: (argument: never) => unknown };

/** What travels. `call` without `id` is a notification. */
export type Packet =
  | { type: "call"; id?: number; method: string; argument: unknown }
  | { type: "cancel"; id: number }
  | { type: "result"; id: number; value: unknown }
  | { type: "error"; id: number; error: WireError };

export interface WireError {
  /** A `CheckpointErrorCode`, an engine error name (`"cancelled"`, `"io"` …) or `"internal"`. */
  code: string;
  /** One sentence for the user. */
  message: string;
  file?: string;
  tensor?: string;
  offset?: number;
}

export class RpcError extends Error {
  constructor(readonly detail: WireError) {
    super(detail.message);
    this.name = "RpcError";
  }
}

export type Handlers<Local> = {
  [M in keyof Local]: Local[M] extends (argument: infer A) => infer R ? (argument: A, signal: AbortSignal) => R | Promise<Awaited<R>> : never;
};

export interface Remote<T> {
  call<M extends keyof T & string>(
    method: M,
    argument: T[M] extends (argument: infer A) => unknown ? A : never,
    signal?: AbortSignal,
  ): Promise<T[M] extends (argument: never) => infer R ? Awaited<R> : never>;
  notify<M extends keyof T & string>(method: M, argument: T[M] extends (argument: infer A) => unknown ? A : never): void;
}

export interface Port {
  post(packet: Packet): void;
  /** Registers the receiver; returns its removal. */
  listen(receive: (packet: Packet) => void): () => void;
}

/** The error as it travels; anything unforeseen becomes `"internal"` with its message. */
export function toWireError(error: unknown): WireError {
  if (error instanceof RpcError) return error.detail;
  if (error instanceof Error) {
    const known = error as Error & { code?: unknown; file?: unknown; where?: { tensor?: string; offset?: number } };
    if (error.name === "AbortError") return { code: "cancelled", message: "Cancelled." };
    return {
      code: typeof known.code === "string" ? known.code : "internal",
      message: error.message,
      ...(typeof known.file === "string" ? { file: known.file } : {}),
      ...(known.where?.tensor === undefined ? {} : { tensor: known.where.tensor }),
      ...(known.where?.offset === undefined ? {} : { offset: known.where.offset }),
    };
  }
  return { code: "internal", message: String(error) };
}

/** Serves `local` on `port` and returns the way to call the other side, and its end. */
export function connect<Theirs, Ours>(port: Port, local: Handlers<Ours>): Remote<Theirs> & { dispose(): void } {
  // A page that was hidden starts anew while answers to its former self may still come: calls are numbered from anywhere.
  let next = Math.floor(Math.random() * 2 ** 40);
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  const serving = new Map<number, AbortController>();

  async function serve(packet: Extract<Packet, { type: "call" }>): Promise<void> {
    const controller = new AbortController();
    const { id } = packet;
    if (id !== undefined) serving.set(id, controller);
    try {
      if (!Object.hasOwn(local, packet.method)) throw new RpcError({ code: "internal", message: `There is no method ${packet.method}.` });
      const handler = (local as Record<string, (argument: unknown, signal: AbortSignal) => unknown>)[packet.method]!;
      const value = await handler(packet.argument, controller.signal);
      if (id !== undefined) port.post({ type: "result", id, value });
    } catch (error) {
      if (id !== undefined) port.post({ type: "error", id, error: toWireError(error) });
    } finally {
      if (id !== undefined) serving.delete(id);
    }
  }

  const stop = port.listen((packet) => {
    switch (packet.type) {
      case "call":
        void serve(packet);
        break;
      case "cancel":
        serving.get(packet.id)?.abort();
        break;
      case "result":
        waiting.get(packet.id)?.resolve(packet.value);
        waiting.delete(packet.id);
        break;
      case "error":
        waiting.get(packet.id)?.reject(new RpcError(packet.error));
        waiting.delete(packet.id);
        break;
    }
  });

  return {
    call: ((method: string, argument: unknown, signal?: AbortSignal) =>
      new Promise<unknown>((resolve, reject) => {
        if (signal?.aborted) {
          reject(new RpcError({ code: "cancelled", message: "Cancelled." }));
          return;
        }
        const id = next++;
        const cancel = (): void => port.post({ type: "cancel", id });
        signal?.addEventListener("abort", cancel, { once: true });
        const done = (): void => signal?.removeEventListener("abort", cancel);
        waiting.set(id, {
          resolve(value) { done(); resolve(value); },
          reject(error) { done(); reject(error); },
        });
        port.post({ type: "call", id, method, argument });
      })) as unknown as Remote<Theirs>["call"],
    notify: (method: string, argument: unknown) => port.post({ type: "call", method, argument }),
    dispose() {
      stop();
      for (const controller of serving.values()) controller.abort();
      for (const { reject } of waiting.values()) reject(new RpcError({ code: "cancelled", message: "The view was closed." }));
      waiting.clear();
    },
  };
}
