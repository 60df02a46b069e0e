/** How much memory a merge takes: that of the engine and of this process, without the files that are mapped into it. */
import { readFileSync } from "node:fs";

const INTERVAL_MS = 100;

/** Looks now and then; knows of Linux only. */
export class MemoryWatch {
  private peak = 0;
  private readonly timer: NodeJS.Timeout;

  /** @param engine the engine's process, as it is now. */
  constructor(private readonly engine: () => number | undefined) {
    this.timer = setInterval(() => this.look(), INTERVAL_MS).unref();
    this.look();
  }

  /** The most that was seen, in bytes; 0 where the system does not say. */
  stop(): number {
    clearInterval(this.timer);
    this.look();
    return this.peak;
  }

  private look(): void {
    const engine = this.engine();
    if (engine !== undefined) this.peak = Math.max(this.peak, anonymousBytes(engine) + anonymousBytes(process.pid));
  }
}

/** Anonymous memory of a process; 0 when it is not known. */
export function anonymousBytes(pid: number): number {
  try {
    const [, kibibytes] = /^RssAnon:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return Number(kibibytes ?? 0) * 1024;
  } catch {
    return 0;
  }
}
