/** Whether the output may go where it is to go: not onto an input, and with room for it. */
import { realpath, statfs } from "node:fs/promises";
import path from "node:path";
import { quote } from "../../checkpoint/quote";
import { heldBytes } from "../output/working-folder";
import type { Place, Problem } from "../problem";
import type { Findings } from "./findings";
import type { OpenedInput } from "./inputs";
import type { MergePlan } from "./plan";

/** Beside tensor data: configuration, tokenizer, card, headers. */
const BESIDE_BYTES = 32 << 20;

/** Adds a problem for an output folder that is one of the inputs, or holds one. */
export async function checkInputsApart(output: string, inputs: Iterable<OpenedInput>, findings: Findings): Promise<void> {
  const target = await realOf(output);
  for (const { label, at, model } of inputs) {
    for (const folder of new Set(model.files.map((file) => path.dirname(file.path)))) {
      const own = await realOf(folder);
      const inside = path.relative(target, own);
      if ((inside === ".." || inside.startsWith(`..${path.sep}`) || path.isAbsolute(inside))) continue;
      findings.error("output-is-input", at, `the output folder ${quote(output)} holds the input ${label}: inputs are never written over; choose another folder`);
      break;
    }
  }
}

/** Adds a problem where the disk has less room than the output takes. */
export async function checkRoom(output: string, bytes: number, at: Place, findings: Findings): Promise<void> {
  const folder = await existing(output);
  const room = await freeBytes(folder);
  if (room === null) return;
  const free = room + (await heldBytes(path.resolve(output)));
  if (free >= bytes + BESIDE_BYTES) return;
  findings.error("no-room", at, `the output takes ${gigabytes(bytes)} and ${quote(folder)} has ${gigabytes(free)} left; make room, or write to another disk`);
}

/** Of the disk that a folder is on; null where that is not known. */
export async function freeBytes(folder: string): Promise<number | null> {
  const room = await statfs(folder).catch(() => null);
  return room === null || room.blocks === 0 ? null : room.bavail * room.bsize;
}

/** The folder itself, or the nearest around it that is there. */
export async function existing(folder: string): Promise<string> {
  for (let at = path.resolve(folder); ; at = path.dirname(at)) {
    const real = await realpath(at).catch(() => null);
    if (real !== null) return real;
    if (at === path.dirname(at)) return at;
  }
}

/** With symbolic links resolved as far as the path exists. */
async function realOf(file: string): Promise<string> {
  const absolute = path.resolve(file);
  const folder = await existing(absolute);
  let rest = "";
  for (let at = absolute; ; at = path.dirname(at)) {
    if ((await realpath(at).catch(() => null)) !== null || at === path.dirname(at)) break;
    rest = path.join(path.basename(at), rest);
  }
  return path.join(folder, rest);
}

/** A warning where the disk of `folder`, which a recipe lies in, has less room than its output takes: it may be meant for another. */
export async function roomBeside(folder: string, { document, estimate }: Pick<MergePlan, "document" | "estimate">): Promise<Problem | null> {
  const free = await freeBytes(folder);
  if (free === null || estimate === null) return null;
  if (free >= estimate.outputBytes + BESIDE_BYTES) return null;
  return { severity: "warning", code: "no-room", message: `the output takes ${gigabytes(estimate.outputBytes)}, and the disk that the recipe lies on has ${gigabytes(free)} left; make room, or write to another disk`, at: document.method?.at ?? document.at };
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(bytes < 1e10 ? 2 : 0)} GB`;
}
