/** Colours and the progress line, on terminals only. */
import type { AnalysisProgress } from "../protocol/inspect";
import { bytes, duration, printable } from "./format";

export interface Style {
  bold(text: string): string;
  faint(text: string): string;
  red(text: string): string;
  yellow(text: string): string;
}

/** Colours where `stream` is a terminal that wants them (NO_COLOR, TERM=dumb and FORCE_COLOR are honoured). */
export function styleFor(stream: NodeJS.WriteStream): Style {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  const coloured = NO_COLOR ? false : FORCE_COLOR !== undefined ? FORCE_COLOR !== "0" : stream.isTTY && TERM !== "dumb";
  const wrap = (code: number, end: number) => (text: string) => (coloured ? `\u001b[${code}m${text}\u001b[${end}m` : text);
  return { bold: wrap(1, 22), faint: wrap(2, 22), red: wrap(31, 39), yellow: wrap(33, 39) };
}

/** One line on standard error that is rewritten in place; nothing where that is no terminal. */
export class ProgressLine {
  #shown = false;

  /** @param verb what is being done: `"analysing"`. */
  constructor(private readonly verb: string, private readonly stream: NodeJS.WriteStream = process.stderr) {}

  show(progress: Pick<AnalysisProgress, "done" | "total" | "bytesPerSecond" | "secondsLeft" | "current">): void {
    if (!this.stream.isTTY || progress.total === 0) return;
    const share = Math.floor((100 * progress.done) / progress.total);
    const parts = [`${this.verb} ${share} %`, `${bytes(progress.bytesPerSecond)}/s`];
    if (progress.secondsLeft !== null && progress.done > 0) parts.push(`${duration(progress.secondsLeft)} left`);
    if (progress.current !== undefined) parts.push(printable(progress.current));
    this.#shown = true;
    this.stream.write(`\r\u001b[K${[...parts.join(" · ")].slice(0, Math.max(20, this.stream.columns - 1)).join("")}`);
  }

  clear(): void {
    if (this.#shown) this.stream.write("\r\u001b[K");
    this.#shown = false;
  }
}
