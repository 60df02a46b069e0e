/** Models by the last parts of their paths that tell them apart. */
import type { ModelsSubject } from "../../src/protocol/models";

export function namesOf({ base, models }: ModelsSubject): { base: string; models: string[] } {
  const [first, ...others] = shortest([base, ...models].map((uri) => decodeURIComponent(uri.replace(/^\w+:\/\//, ""))));
  return { base: first!, models: others };
}

/** As many last parts of each path as tell it from the others. */
export function shortest(paths: readonly string[]): string[] {
  const parts = paths.map((path) => path.split(/[\\/]+/).filter((part) => part !== ""));
  const tail = (of: readonly string[], count: number): string => of.slice(-count).join("/");
  return parts.map((own, i) => {
    let count = 1;
    while (count < own.length && parts.some((other, j) => j !== i && tail(other, count) === tail(own, count))) count++;
    return tail(own, count);
  });
}
