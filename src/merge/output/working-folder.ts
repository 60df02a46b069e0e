/**
 * Where a merge is made before it gets its name: `.OUT.merging` beside OUT. It holds the output's files, the journal, and who works on it.
 */
import { mkdir, open, readdir, readFile, realpath, rename, rm, rmdir, stat } from "node:fs/promises";
import path from "node:path";
import { notWritten, syncFolder } from "../../analysis/output-file";
import { CheckpointError, type CheckpointFile } from "../../checkpoint/checkpoint";
import { openCheckpoint } from "../../checkpoint/registry";
import { INDEX } from "./shards";

/** Absolute paths. */
export interface WorkingFolder {
  output: string;
  folder: string;
  /** The output's files lie here until it is renamed. */
  files: string;
  journal: string;
}

const LOCK = "lock";
const JOURNAL = "journal";
const FILES = "files";
const REPLACED = "replaced";

export function workingFolder(output: string): WorkingFolder {
  const folder = path.join(path.dirname(output), `.${path.basename(output)}.merging`);
  return { output, folder, files: path.join(folder, FILES), journal: path.join(folder, JOURNAL) };
}

/**
 * Looks at where the output is to lie before anything is written.
 * @throws CheckpointError when it is a file, one of the inputs' folders, or a folder with anything but an earlier merge in it.
 */
export async function checkOutput(output: string, inputs: readonly Pick<CheckpointFile, "path">[]): Promise<void> {
  if (path.dirname(output) === output) throw new CheckpointError("usage", "this is the root of a file system; name a folder to write", output);
  const there = await stat(output).catch(() => undefined);
  if (there === undefined) return;
  if (!there.isDirectory()) throw new CheckpointError("usage", "this is a file; name the folder to write", output);
  const real = await realpath(output);
  for (const input of inputs) {
    const relative = path.relative(real, await realpath(input.path).catch(() => path.resolve(input.path)));
    if (relative !== ".." && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative)) {
      throw new CheckpointError("usage", "this is the folder of one of the models that are merged; choose another to write to", output);
    }
  }
  const names = await readdir(output).catch((error: unknown) => {
    throw notWritten(error, output);
  });
  if (names.length > 0 && !(await isEarlierMerge(output, names))) throw new CheckpointError("usage", "there is something in this folder already, and no earlier merge that could be replaced; choose another, or empty it", output);
}

/** What a merge may write beside the weights. */
const BESIDE = /^(?:config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|chat_template|preprocessor_config|processor_config|video_preprocessor_config)\.json$|^(?:tokenizer\.model|merges\.txt|vocab\.txt|spiece\.model|chat_template\.jinja|mergekit_config\.yml|README\.md|LICENSE)$/;
const WEIGHTS = /^model(?:-\d{5}-of-\d{5})?\.safetensors$/;

/** Whether a merge wrote all of the folder: its weights say so, and nothing was added. */
async function isEarlierMerge(folder: string, names: readonly string[]): Promise<boolean> {
  const weights = names.filter((name) => WEIGHTS.test(name));
  if (weights.length === 0 || !names.every((name) => WEIGHTS.test(name) || BESIDE.test(name) || name === INDEX)) return false;
  for (const name of weights) {
    const file = await openCheckpoint(path.join(folder, name)).catch(() => undefined);
    if (file?.metadata.recipe === undefined) return false;
  }
  return true;
}

/**
 * Makes the folder ours: empty unless `resume` finds a journal in it.
 * @returns whether there is one to go on with.
 * @throws CheckpointError when another process works on it, or it cannot be made.
 */
export async function takeFolder({ output, folder, files, journal }: WorkingFolder, resume: boolean): Promise<boolean> {
  try {
    const names = await readdir(folder).catch(() => null);
    if (names !== null && names.length > 0 && !names.includes(LOCK) && !names.includes(JOURNAL)) throw new CheckpointError("usage", "this folder is in the way of the merge's temporary files; move it away", folder);
    const owner = names === null ? null : await ownerOf(folder);
    if (owner !== null) throw new CheckpointError("usage", `process ${owner} is merging into this folder; wait for it, or end it`, output);
    const goOn = resume && names?.includes(JOURNAL) === true && names.includes(FILES);
    if (!goOn) await rm(folder, { recursive: true, force: true });
    await mkdir(files, { recursive: true });
    const lock = await open(path.join(folder, LOCK), "w");
    await lock.writeFile(String(process.pid));
    await lock.close();
    return goOn && (await stat(journal)).size > 0;
  } catch (error) {
    throw notWritten(error, output);
  }
}

/** The running process that works in the folder, other than this one; null when there is none. */
async function ownerOf(folder: string): Promise<number | null> {
  const pid = Number(await readFile(path.join(folder, LOCK), "utf8").catch(() => ""));
  if (!Number.isSafeInteger(pid) || pid <= 0 || pid === process.pid) return null;
  try {
    process.kill(pid, 0);
    return pid;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM" ? pid : null;
  }
}

/** Lets others work on it; what is done stays. */
export async function releaseFolder({ folder }: WorkingFolder): Promise<void> {
  await rm(path.join(folder, LOCK), { force: true }).catch(() => undefined);
}

/** Gives the files their place, where an earlier merge may be, and removes all else. They are on disk. */
export async function nameOutput({ output, folder, files }: WorkingFolder): Promise<void> {
  const replaced = path.join(folder, REPLACED);
  await syncFolder(files);
  const before = (await stat(output).catch(() => undefined)) !== undefined;
  try {
    // An empty folder is none that has to be kept.
    const kept = before && !(await rmdir(output).then(() => true, () => false));
    if (kept) await rename(output, replaced);
    await rename(files, output).catch(async (error: unknown) => {
      if (kept) await rename(replaced, output);
      throw error;
    });
  } catch (error) {
    throw notWritten(error, output);
  }
  await syncFolder(path.dirname(output));
  await rm(folder, { recursive: true, force: true }).catch(() => undefined);
}

/** Bytes of the disk that an unfinished merge into `output` holds: one that resumes it writes over them, another removes them first. */
export async function heldBytes(output: string): Promise<number> {
  const { files } = workingFolder(output);
  let sum = 0;
  for (const name of await readdir(files).catch(() => [])) sum += ((await stat(path.join(files, name)).catch(() => undefined))?.blocks ?? 0) * 512;
  return sum;
}

/** Removes what an unfinished merge left. @throws CheckpointError when a process works on it. */
export async function discardMerge(output: string): Promise<void> {
  const { folder } = workingFolder(output);
  const owner = await ownerOf(folder);
  if (owner !== null) throw new CheckpointError("usage", `process ${owner} is merging into this folder; wait for it, or end it`, output);
  await rm(folder, { recursive: true, force: true });
}
