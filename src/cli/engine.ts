/** `weight-loupe engine`: what computes, and on what. */
import { UsageError } from "./arguments";
import type { Command } from "./command";
import { withEngine } from "./engine-process";
import { Exit } from "./failure";

export const engine: Command = {
  name: "engine",
  operands: "",
  summary: "the engine's version, and the processors it uses",
  options: {},
  async run(args, { json, write, log }) {
    if (args.operands.length > 0) throw new UsageError(`engine takes no operand; what is ${JSON.stringify(args.operands[0])}?`);
    await withEngine(log, async ({ info, path }) => {
      const { version, protocol, cpu, gpu } = info;
      if (json) return write(`${JSON.stringify({ version, protocol, cpu, gpu })}\n`);
      const lines = [
        `weight-loupe-engine ${version} (protocol ${protocol})`,
        `  path  ${path}`,
        `  CPU   ${cpu.threads} ${cpu.threads === 1 ? "thread" : "threads"}${cpu.features.length > 0 ? ` · ${cpu.features.join(" ")}` : ""}`,
        `  GPU   ${gpu.length === 0 ? "not used" : gpu.map(({ name, backend }) => `${name} (${backend})`).join(", ")}`,
      ];
      return write(`${lines.join("\n")}\n`);
    });
    return Exit.done;
  },
};
