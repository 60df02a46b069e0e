/** What an analysis needs of the engine. */
import type { Params, RequestOptions } from "../engine/client";
import type { EngineMethod, EngineRequests } from "../engine/protocol";

/** One cancellable request. `EngineSupervisor` is one. */
export interface Engine {
  /** @throws EngineError, also with the code `"cancelled"` when the signal was aborted. */
  request<M extends EngineMethod>(method: M, params: Params<M>, options?: RequestOptions): Promise<EngineRequests[M]["result"]>;
}
