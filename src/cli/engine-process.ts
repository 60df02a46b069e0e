/** The engine for the length of one command. */
import { locateEngine } from "../engine/locate";
import { EngineSupervisor } from "../engine/supervisor";
import type { InitializeResult } from "../engine/protocol";

export interface RunningEngine {
  engine: EngineSupervisor;
  info: InitializeResult;
  /** Of the executable. */
  path: string;
}

/**
 * Starts the engine beside the built command line, and ends it when `work` is done.
 * @throws EngineError when it cannot be started.
 */
export async function withEngine<T>(log: (line: string) => void, work: (running: RunningEngine) => Promise<T>): Promise<T> {
  const { path } = await locateEngine(__dirname);
  const engine = new EngineSupervisor({ locate: () => Promise.resolve({ path }), log });
  try {
    return await work({ engine, info: await engine.start(), path });
  } finally {
    await engine.dispose();
  }
}
