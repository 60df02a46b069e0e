/** One engine process: JSON-RPC over its stdio, typed by `protocol.ts`. */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import {
  CancellationTokenSource,
  createMessageConnection,
  ParameterStructures,
  ProgressType,
  ResponseError,
  StreamMessageReader,
  StreamMessageWriter,
  type MessageConnection,
} from "vscode-jsonrpc/node";
import { unlessAborted } from "./abort";
import { cancelled, EngineError, fromAnswer } from "./error";
import { versionMismatch } from "./locate";
import { PROTOCOL_VERSION, type EngineMethod, type EngineRequests, type InitializeResult, type Progress } from "./protocol";

const HANDSHAKE_MS = 30_000;
/** After its input is closed the engine has this long to end by itself. */
const FAREWELL_MS = 2000;

export interface RequestOptions {
  /** Aborting rejects the request at once with code `"cancelled"` and stops the work in the engine. */
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
}

/** What the caller says of a request; the progress token is the client's business. */
export type Params<M extends EngineMethod> = EngineRequests[M]["params"] extends infer P ? (P extends unknown ? Omit<P, "progressToken"> : never) : never;

export interface EngineExit {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** The last lines of its standard error. */
  stderr: string;
}

export class EngineClient {
  /** What the engine said of itself in the handshake. */
  readonly info: InitializeResult;
  /** Resolves when the process has ended, for whatever reason. */
  readonly ended: Promise<EngineExit>;
  private nextToken = 1;
  private closing: Promise<void> | undefined;

  private constructor(
    private readonly path: string,
    private readonly child: ChildProcessWithoutNullStreams,
    private readonly connection: MessageConnection,
    ended: Promise<EngineExit>,
    info: InitializeResult,
  ) {
    this.info = info;
    this.ended = ended;
  }

  /**
   * Starts the engine and shakes hands.
   * @param log receives what the engine writes to standard error, line by line.
   * @throws EngineError `"missing"`, `"version"` or `"crashed"`.
   */
  static async start(path: string, log: (line: string) => void = () => undefined): Promise<EngineClient> {
    const child = spawn(path, [], { stdio: "pipe", windowsHide: true });
    const ended = watch(child, log);
    // Writing to a process that has just ended is reported by `ended`, not as an uncaught error.
    child.stdin.on("error", () => undefined);
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", (error: NodeJS.ErrnoException) => {
        const reason = error.code === "ENOENT" ? `There is no engine at ${path}` : `The engine at ${path} cannot be started (${error.code ?? error.message})`;
        reject(new EngineError("missing", `${reason}.`, path));
      });
    });
    const connection = createMessageConnection(new StreamMessageReader(child.stdout), new StreamMessageWriter(child.stdin));
    connection.onError(([error]) => log(`connection: ${error.message}`));
    connection.listen();
    void ended.then(() => connection.dispose());
    try {
      const info = await handshake(connection, path, ended);
      return new EngineClient(path, child, connection, ended, info);
    } catch (error) {
      child.kill("SIGKILL");
      throw error;
    }
  }

  get pid(): number {
    return this.child.pid!;
  }

  /**
   * Asks the engine.
   * @throws EngineError, `"crashed"` when the process ends before it answers.
   */
  async request<M extends EngineMethod>(method: M, params: Params<M>, options: RequestOptions = {}): Promise<EngineRequests[M]["result"]> {
    const { signal, onProgress } = options;
    if (signal?.aborted === true) throw cancelled();
    const cancellation = new CancellationTokenSource();
    const token = onProgress === undefined ? undefined : `p${this.nextToken++}`;
    const progress = token === undefined ? undefined : this.connection.onProgress(new ProgressType<Progress>(), token, onProgress!);
    try {
      const answer = this.connection.sendRequest<EngineRequests[M]["result"]>(
        method,
        ParameterStructures.byName,
        token === undefined ? params : { ...params, progressToken: token },
        cancellation.token,
      );
      return await unlessAborted(answer, signal, () => cancellation.cancel());
    } catch (error) {
      throw await this.explained(error, method);
    } finally {
      progress?.dispose();
      cancellation.dispose();
    }
  }

  /** Ends the process: by closing its input, by force when it does not take the hint. */
  dispose(): Promise<void> {
    return (this.closing ??= this.close());
  }

  private async close(): Promise<void> {
    const force = setTimeout(() => this.child.kill("SIGKILL"), FAREWELL_MS);
    this.child.stdin.end();
    await this.ended;
    clearTimeout(force);
  }

  private async explained(error: unknown, method: string): Promise<EngineError> {
    if (error instanceof EngineError) return error;
    if (error instanceof ResponseError && isAnswer(error)) return fromAnswer(error.code, error.message, error.data as unknown);
    // The connection is gone, so the process is or soon will be: its exit is the reason.
    if (this.closing !== undefined) return new EngineError("crashed", "The engine was stopped before it answered.", this.path);
    this.child.stdin.destroy();
    return new EngineError("crashed", `The engine ended while it worked on a ${method} request${manner(await this.ended)}.`, this.path);
  }
}

/** How a process ended, to be appended to a sentence. */
export function manner({ code, signal }: EngineExit): string {
  return signal !== null ? ` (killed by ${signal})` : code !== null && code !== 0 ? ` (exit code ${code})` : "";
}

/** vscode-jsonrpc rejects what was pending when a connection ends with codes of its own, −32099 to −32096. */
function isAnswer({ code }: ResponseError<unknown>): boolean {
  return code < -32099 || code > -32096;
}

async function handshake(connection: MessageConnection, path: string, ended: Promise<EngineExit>): Promise<InitializeResult> {
  let timer: NodeJS.Timeout | undefined;
  try {
    const info = await Promise.race([
      connection.sendRequest<InitializeResult>("initialize", ParameterStructures.byName, { protocol: PROTOCOL_VERSION, client: "weight-loupe" }),
      ended.then((exit): never => {
        throw new EngineError("crashed", `The engine at ${path} ended before it said its version${manner(exit)}.`, path);
      }),
      new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new EngineError("missing", `The engine at ${path} does not answer.`, path)), HANDSHAKE_MS);
      }),
    ]);
    if (info.protocol !== PROTOCOL_VERSION) throw new EngineError("version", versionMismatch(path, info.protocol), path);
    return info;
  } catch (error) {
    if (error instanceof EngineError) throw error;
    if (error instanceof ResponseError && isAnswer(error)) throw new EngineError("version", `The engine at ${path} refused the handshake: ${error.message}`, path);
    throw new EngineError("crashed", `The engine at ${path} ended before it said its version${manner(await ended)}.`, path);
  } finally {
    clearTimeout(timer);
  }
}

const KEPT_STDERR = 4096;

function watch(child: ChildProcessWithoutNullStreams, log: (line: string) => void): Promise<EngineExit> {
  let stderr = "";
  let line = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    stderr = (stderr + chunk).slice(-KEPT_STDERR);
    const lines = (line + chunk).split("\n");
    line = lines.pop()!.slice(-KEPT_STDERR);
    lines.forEach(log);
  });
  return new Promise((resolve) => {
    // `close` comes after the last bytes of its output, `exit` may come before them.
    child.once("close", (code, signal) => {
      if (line !== "") log(line);
      resolve({ code, signal, stderr });
    });
    child.once("error", () => {
      if (child.pid === undefined) resolve({ code: null, signal: null, stderr });
    });
  });
}
