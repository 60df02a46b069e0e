/** The real engine for tests of the analysis, with its requests counted. */
import { join } from "node:path";
import type { Engine } from "../../../src/analysis/engine";
import type { Params, RequestOptions } from "../../../src/engine/client";
import { locateEngine } from "../../../src/engine/locate";
import type { EngineMethod, EngineRequests } from "../../../src/engine/protocol";
import { EngineSupervisor } from "../../../src/engine/supervisor";
import { root } from "../../files";

export class CountedEngine implements Engine {
  readonly supervisor = new EngineSupervisor({ locate: () => locateEngine(join(root, "dist")) });
  /** Methods asked, in order. */
  readonly asked: EngineMethod[] = [];
  /** Under way now, and the most there were. */
  underWay = 0;
  most = 0;

  async request<M extends EngineMethod>(method: M, params: Params<M>, options?: RequestOptions): Promise<EngineRequests[M]["result"]> {
    this.asked.push(method);
    this.most = Math.max(this.most, ++this.underWay);
    try {
      return await this.supervisor.request(method, params, options);
    } finally {
      this.underWay--;
    }
  }

  forget(): void {
    this.asked.length = 0;
    this.most = 0;
  }

  dispose(): Promise<void> {
    return this.supervisor.dispose();
  }
}
