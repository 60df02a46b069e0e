/** The last part of a path, and as much before it as tells it from the other: `tuned/model.safetensors`. */
export function shortName(path: string, other: string): string {
  const parts = path.split(/[\\/]/).filter((part) => part !== "");
  const others = other.split(/[\\/]/).filter((part) => part !== "");
  let keep = 1;
  while (keep < parts.length && parts.slice(-keep).join("/") === others.slice(-keep).join("/")) keep++;
  return parts.join("/") === others.join("/") ? parts.at(-1) ?? path : parts.slice(-keep).join("/");
}
