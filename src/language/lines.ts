/** What the lines around say, also while the text is no valid YAML: the method, the models. */

/** The lines of the document that holds `line`: first, and the one after its last. */
export function documentLines(lines: readonly string[], line: number): [number, number] {
  const isEnd = (i: number): boolean => /^(?:---|\.\.\.)(?:\s|$)/.test(lines[i]!);
  let start = Math.min(line, lines.length - 1);
  while (start > 0 && !isEnd(start)) start--;
  let end = Math.max(start, line) + 1;
  while (end < lines.length && !isEnd(end)) end++;
  return [isEnd(start) && start < line ? start + 1 : start, end];
}

export function methodOf(lines: readonly string[], line: number): string | undefined {
  const [start, end] = documentLines(lines, line);
  for (let i = start; i < end; i++) {
    const found = /^merge_method\s*:\s*["']?([\w-]+)/.exec(lines[i]!);
    if (found !== null) return found[1];
  }
  return undefined;
}

const MODEL = /(?:^|[\s{,-])model\s*:\s*("[^"]*"|'[^']*'|[^,}#]+)/;

/** The model named in the same mapping as `line`, by the nearest lines. */
export function modelBeside(lines: readonly string[], line: number): string | undefined {
  for (const i of [line, line - 1, line + 1, line - 2, line + 2, line - 3]) {
    const found = MODEL.exec(lines[i] ?? "");
    if (found !== null) return unquoted(found[1]!);
  }
  return undefined;
}

/** The models that the document names, the base first. */
export function modelsNamed(lines: readonly string[], line: number): string[] {
  const [start, end] = documentLines(lines, line);
  const names: string[] = [];
  for (let i = start; i < end && names.length < 50; i++) {
    const base = /^base_model\s*:\s*([^#{]+)/.exec(lines[i]!);
    if (base !== null) names.unshift(unquoted(base[1]!));
    const found = MODEL.exec(lines[i]!);
    if (found !== null) names.push(unquoted(found[1]!));
  }
  return names.filter((name) => name !== "");
}

function unquoted(text: string): string {
  return text.trim().replace(/^(["'])(.*)\1$/, "$2");
}
