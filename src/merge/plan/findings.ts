/** Problems of one document as they are found: the same one at the same place is told once, with how many tensors it concerns. */
import type { Fix, Place, Problem } from "../problem";

export class Findings {
  private readonly found = new Map<string, { problem: Problem; times: number; more?: (times: number) => string }>();

  /** `more` words the sentence when it concerns several tensors; without it only the first is told. */
  add(severity: Problem["severity"], code: string, at: Place, message: string, { tensor, fixes, more }: { tensor?: string; fixes?: Fix[]; more?: (times: number) => string } = {}): void {
    const key = `${code} ${at.line}:${at.column} ${more === undefined ? message : ""}`;
    const known = this.found.get(key);
    if (known !== undefined) known.times++;
    else this.found.set(key, { problem: { severity, code, message, at, ...(tensor === undefined ? {} : { tensor }), ...(fixes === undefined ? {} : { fixes }) }, times: 1, ...(more === undefined ? {} : { more }) });
  }

  error(code: string, at: Place, message: string, detail: Parameters<Findings["add"]>[4] = {}): void {
    this.add("error", code, at, message, detail);
  }

  warn(code: string, at: Place, message: string, detail: Parameters<Findings["add"]>[4] = {}): void {
    this.add("warning", code, at, message, detail);
  }

  get hasErrors(): boolean {
    return [...this.found.values()].some(({ problem }) => problem.severity === "error");
  }

  /** In the order of their places. */
  list(): Problem[] {
    return [...this.found.values()]
      .map(({ problem, times, more }) => (more === undefined || times === 1 ? problem : { ...problem, message: more(times) }))
      .sort((a, b) => a.at.line - b.at.line || a.at.column - b.at.column);
  }
}
