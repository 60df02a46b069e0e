// A process that answers timing requests one JSON line at a time: the Python peers, or our own kernels beside them.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

export class LineProcess {
  /**
   * @param {string} command
   * @param {string[]} args
   * @param {Record<string, string>} [environment]
   */
  constructor(command, args, environment = {}) {
    this.child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"], env: { ...process.env, ...environment } });
    /** @type {((line: string | null) => void)[]} */
    this.waiting = [];
    /** @type {string[]} */
    this.lines = [];
    this.ended = false;
    const reader = createInterface({ input: this.child.stdout });
    reader.on("line", (line) => {
      const next = this.waiting.shift();
      if (next) next(line);
      else this.lines.push(line);
    });
    const end = () => {
      this.ended = true;
      for (const next of this.waiting.splice(0)) next(null);
    };
    reader.on("close", end);
    this.child.on("error", end);
    this.child.stdin.on("error", () => undefined);
  }

  /**
   * The next line's value, or null when the process has ended.
   * @returns {Promise<any>}
   */
  async next() {
    const ready = this.lines.shift();
    if (ready !== undefined) return JSON.parse(ready);
    if (this.ended) return null;
    const line = await new Promise((/** @type {(line: string | null) => void} */ resolve) => this.waiting.push(resolve));
    return line === null ? null : JSON.parse(line);
  }

  /** @param {unknown} request */
  ask(request) {
    this.child.stdin.write(`${JSON.stringify(request)}\n`);
    return this.next();
  }

  stop() {
    this.child.stdin.end();
    this.child.kill();
  }
}
