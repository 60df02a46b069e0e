/** Who says what a model's architecture is. */
import type { Overview } from "../../src/protocol/inspect";

/** What the architecture was read from when it was not guessed: GGUF files say it themselves. */
export function architectureSource({ format }: Pick<Overview, "format">): string {
  return format === "gguf" ? "general.architecture" : "config.json";
}
