/** What an analysis needs of the engine: one request, cancellable. `EngineSupervisor` is one. */
import type { EngineMethod, EngineRequests, Progress } from "../engine/protocol";

export interface RequestOptions {
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
}

export interface Engine {
  /** @throws EngineError, also with the code `"cancelled"` when the signal was aborted. */
  request<M extends EngineMethod>(method: M, params: EngineRequests[M]["params"], options?: RequestOptions): Promise<EngineRequests[M]["result"]>;
}
