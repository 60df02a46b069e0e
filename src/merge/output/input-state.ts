/** What the files of the inputs were when a merge began: none may change until it is done, or before it is resumed. */
import { createHash } from "node:crypto";
import { open, stat } from "node:fs/promises";
import { CheckpointError, type CheckpointFile } from "../../checkpoint/checkpoint";

export interface InputState {
  path: string;
  bytes: number;
  modified: number;
  /** SHA-256 of the first and last bytes, where formats have their headers and directories. */
  header: string;
}

/** From the start, which holds the header of safetensors; and from the end, which holds the directory of a zip file. */
const HEAD_BYTES = 1 << 20;
const TAIL_BYTES = 1 << 16;

/**
 * The state of `files`, which is what it was when their headers were read.
 * @throws CheckpointError when one cannot be read, or is another by now.
 */
export async function inputStates(files: readonly CheckpointFile[]): Promise<InputState[]> {
  const states = [];
  for (const { path, bytes, modified, missing } of files) {
    if (missing === true) continue;
    const state = await stateOf(path);
    if (state.bytes !== bytes || (modified !== undefined && state.modified !== modified)) throw new InputChanged(path);
    states.push(state);
  }
  return states;
}

/** @param headers whether to read them too: touching nothing but the directory, a check is cheap enough to be made often. */
export async function checkInputs(states: readonly InputState[], headers: boolean): Promise<void> {
  for (const { path, bytes, modified, header } of states) {
    const now = headers ? await stateOf(path).catch(() => undefined) : await stat(path).then(({ size, mtimeMs }) => ({ bytes: size, modified: mtimeMs, header }), () => undefined);
    if (now?.bytes !== bytes || now.modified !== modified || now.header !== header) throw new InputChanged(path);
  }
}

/** A file is not what it was when the merge began. */
export class InputChanged extends CheckpointError {
  constructor(path: string) {
    super("io", "the file changed while the merge was under way; begin it again", path);
  }
}

async function stateOf(path: string): Promise<InputState> {
  const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    throw new CheckpointError("io", `it cannot be read (${error.code ?? error.message})`, path);
  });
  try {
    const { size, mtimeMs } = await file.stat();
    const hash = createHash("sha256");
    for (const [from, to] of [[0, Math.min(size, HEAD_BYTES)], [Math.max(0, size - TAIL_BYTES), size]] as const) {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(to - from), 0, to - from, from);
      hash.update(buffer.subarray(0, bytesRead));
    }
    return { path, bytes: size, modified: mtimeMs, header: hash.digest("hex") };
  } finally {
    await file.close();
  }
}
