/** `--tensor`: which tensors a command is about. */
import type { Tensor } from "../checkpoint/checkpoint";
import { compilePattern } from "../checkpoint/pattern";
import { UsageError } from "./arguments";

/** Picks tensors by index. @throws UsageError when a plain name names none. */
export function selector(patterns: readonly string[]): (tensors: readonly Pick<Tensor, "name">[]) => number[] {
  const compiled = patterns.map((text) => ({ text, pattern: compilePattern(text, "name") }));
  return (tensors) => {
    if (compiled.length === 0) return tensors.map((_, i) => i);
    for (const { text, pattern } of compiled) {
      if (pattern.kind === "plain" && !tensors.some(({ name }) => name === text)) throw new UsageError(`there is no tensor ${JSON.stringify(text)}; globs such as "**${text}*" find names by part`);
    }
    return tensors.flatMap(({ name }, i) => (compiled.some(({ pattern }) => pattern.test(name)) ? [i] : []));
  };
}
