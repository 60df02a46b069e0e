/**
 * Runs a merge: lays the output out, has the engine fill it, and gives it its name when all of it is on disk. The output is whole or not at
 * all; what an interrupted run has done is kept beside it, for one that resumes it.
 */
import { open, readFile, stat } from "node:fs/promises";
import path from "node:path";
import type { Engine } from "../../analysis/engine";
import { checkRoom, notWritten } from "../../analysis/output-file";
import { CheckpointError } from "../../checkpoint/checkpoint";
import { EngineError } from "../../engine/error";
import type { MergePlan, PlannedTensor } from "../plan/plan";
import type { Problem } from "../problem";
import { sha256 } from "./file-hash";
import { expressionHash, fillShards, type FilledShard, type MergeProgress } from "./fill-shards";
import { checkInputs, InputChanged, inputStates } from "./input-state";
import { Journal, readJournal, type JournalEntry, type JournalHead } from "./journal";
import { layOutMerge, type LayoutOptions, type OutputFile, type OutputLayout } from "./layout";
import { MemoryWatch } from "./memory";
import { NonFinite, nonFiniteProblems, refuseNonFinite, refuseResult } from "./non-finite";
import { checkOutput, discardMerge, nameOutput, releaseFolder, takeFolder, workingFolder, type WorkingFolder } from "./working-folder";

export type { MergeProgress } from "./fill-shards";

export interface WriteMergeOptions extends LayoutOptions {
  plan: MergePlan;
  engine: Engine;
  /** The engine's version; outputs are not resumed by another. */
  engineVersion: string;
  /** Its process, as it is now, whose memory is watched. */
  enginePid?(): number | undefined;
  /** Go on with an unfinished run, where there is one. */
  resume: boolean;
  signal?: AbortSignal;
  onProgress?(progress: MergeProgress): void;
}

export interface WrittenMerge {
  /** Absolute paths. */
  files: { path: string; bytes: number; sha256: string }[];
  /** What was found in the values. */
  problems: Problem[];
  seconds: number;
  /** Of the engine and this process, as far as the system says; mapped files are not counted. */
  peakMemoryBytes: number;
  /** Tensors that an earlier run had done. */
  resumed: number;
}

/**
 * Writes the model that `plan` describes into the folder `output`.
 * @throws CheckpointError when the output cannot be written, is in the way of an input, or an input changed; `NonFinite` where the recipe's policy
 *   says so; EngineError; the signal's reason when it was aborted.
 */
export async function writeMerge(options: WriteMergeOptions): Promise<WrittenMerge> {
  const { plan, output, engine, resume, signal } = options;
  const begun = performance.now();
  const layout = layOutMerge(plan, options);
  await checkOutput(output, [...plan.files, ...plan.tokenizer.copied.map(({ from }) => ({ path: from }))]);
  const head: JournalHead = { layout: layoutHash(layout), engine: options.engineVersion, inputs: await inputStates(plan.files) };
  const folder = workingFolder(output);
  const goOn = await takeFolder(folder, resume);
  const memory = new MemoryWatch(options.enginePid ?? (() => undefined));
  try {
    const { journal, done } = await openJournal(folder, head, goOn, plan, signal);
    const strict = plan.document.nonFinite?.value === "error";
    try {
      await checkRoom(output, layout.weights.bytes - (await allocated(folder, layout)));
      const { files: weights, nonFinite } = await fillShards({
        shards: layout.weights.shards, folder: folder.files, journal, done, engine,
        ...(signal === undefined ? {} : { signal }),
        ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
        ...(strict ? { check: (tensor: PlannedTensor, scope: AbortSignal) => refuseNonFinite(plan, tensor, engine, scope) } : {}),
        onFlush: () => checkInputs(head.inputs, false),
      });
      const results = plan.tensors.flatMap((tensor) => (nonFinite.has(tensor.name) ? [{ tensor, count: nonFinite.get(tensor.name)! }] : []));
      if (strict) refuseResult(plan, results);
      const problems = await nonFiniteProblems(plan, results, engine, signal);
      const files = [...weights, ...(await writeBeside(folder.files, layout.beside))].map(({ name, ...rest }) => ({ path: path.join(output, name), ...rest }));
      await checkInputs(head.inputs, true);
      signal?.throwIfAborted();
      await journal.close();
      await nameOutput(folder);
      return { files, problems, seconds: (performance.now() - begun) / 1000, peakMemoryBytes: memory.stop(), resumed: done.size };
    } finally {
      await journal.close().catch(() => undefined);
    }
  } catch (error) {
    await releaseFolder(folder);
    const kept = !(error instanceof InputChanged || error instanceof NonFinite) && ((await unfinishedMerge(output))?.tensors ?? 0) > 0;
    if (!kept) await discardMerge(output).catch(() => undefined);
    throw described(error, folder, kept);
  } finally {
    memory.stop();
  }
}

/** What an unfinished merge has done; null when there is none, or it did nothing. */
export async function unfinishedMerge(output: string): Promise<{ tensors: number } | null> {
  const journal = await readJournal(workingFolder(output).journal);
  return journal === null ? null : { tensors: journal.entries.length };
}

/** Two layouts of one hash have the same files, but for what the tensors hold. */
function layoutHash({ weights, beside }: OutputLayout): string {
  return sha256(JSON.stringify([weights.shards.map(({ name, bytes, header }) => [name, bytes, sha256(header)]), beside.map((file) => ("text" in file ? [file.name, sha256(file.text)] : [file.name, file.from]))]));
}

/** A new journal, or the one of an unfinished run with those of its tensors that would be computed the same way now. */
async function openJournal({ journal: file, folder, files }: WorkingFolder, head: JournalHead, goOn: boolean, { tensors }: MergePlan, signal?: AbortSignal): Promise<{ journal: Journal; done: Map<string, JournalEntry> }> {
  const known = goOn ? await readJournal(file) : null;
  if (known === null) return { journal: await Journal.create(file, head), done: new Map() };
  const changed = head.inputs.find((input) => JSON.stringify(known.head.inputs.find(({ path }) => path === input.path)) !== JSON.stringify(input));
  if (changed !== undefined) throw new CheckpointError("io", "the file changed since the unfinished merge was begun; begin it again, without resuming", changed.path);
  if (known.head.layout !== head.layout || known.head.inputs.length !== head.inputs.length) throw new CheckpointError("usage", "it belongs to another recipe, or the same with other options; begin the merge again, without resuming", folder);
  if (known.head.engine !== head.engine) throw new CheckpointError("usage", `it was begun by version ${known.head.engine} of the engine, and this is ${head.engine}; begin the merge again, without resuming`, folder);
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const done = new Map<string, JournalEntry>();
  const there = await stat(files).catch(() => undefined);
  for (const entry of there === undefined ? [] : known.entries) {
    const tensor = byName.get(entry.tensor);
    if (tensor !== undefined && expressionHash(await tensor.read(signal)) === entry.expression) done.set(entry.tensor, entry);
    else done.delete(entry.tensor);
  }
  return { journal: await Journal.reopen(file, known.length), done };
}

/** Bytes of the shards that have their place on the disk already. */
async function allocated({ files }: WorkingFolder, { weights }: OutputLayout): Promise<number> {
  let sum = 0;
  for (const { name, bytes } of weights.shards) {
    const there = await stat(path.join(files, name)).catch(() => undefined);
    sum += Math.min(bytes, (there?.blocks ?? 0) * 512);
  }
  return sum;
}

async function writeBeside(folder: string, files: readonly OutputFile[]): Promise<FilledShard[]> {
  const written = [];
  for (const file of files) {
    const bytes = "text" in file ? Buffer.from(file.text) : await readFile(file.from).catch((error: NodeJS.ErrnoException) => {
      throw new CheckpointError("io", `it cannot be read (${error.code ?? error.message})`, file.from);
    });
    const handle = await open(path.join(folder, file.name), "w");
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    written.push({ name: file.name, bytes: bytes.length, sha256: sha256(bytes) });
  }
  return written;
}

/** The error about the output, not about its temporary name. */
function described(error: unknown, { output, files }: WorkingFolder, kept: boolean): unknown {
  const inside = error instanceof EngineError && error.file !== undefined && path.dirname(error.file) === files;
  const known = notWritten(error, output, inside ? error.file : undefined);
  if (!kept || !(known instanceof CheckpointError) || known.file !== output || known.code !== "io") return known;
  return new CheckpointError("io", `${known.message}; what is done is kept, and a resumed merge goes on from there`, output);
}
