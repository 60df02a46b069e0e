/**
 * Writes a safetensors file: laid out here, its data written by the engine, under a temporary name beside the output until it
 * is whole and on disk. Specification: https://github.com/huggingface/safetensors#format.
 */
import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { open, realpath, rename, rm, stat, type FileHandle } from "node:fs/promises";
import path from "node:path";
import { CheckpointError, type CheckpointFile } from "../checkpoint/checkpoint";
import { allOrNothing } from "./concurrently";
import type { Output, OutputTensor } from "./convert";
import type { Engine } from "./engine";
import { checkRoom, checkUnchanged, notWritten, syncFolder } from "./output-file";
import { layOut, type Layout, type Place } from "./safetensors-layout";
import { writeTensor } from "./write-tensor";

export interface WriteOptions {
  output: Output;
  /** Absolute path. What is there is replaced, but for `inputs`. */
  path: string;
  /** The files that are read: none of them is written to, and none may change meanwhile. */
  inputs: readonly CheckpointFile[];
  engine: Engine;
  signal?: AbortSignal;
  /** Bytes written of all. */
  onProgress?(done: number, total: number, tensor: string): void;
  /** Looks at the whole file before it gets its name; what it throws leaves nothing behind. */
  verify?(file: string, places: readonly Place<OutputTensor>[]): Promise<void>;
}

/** Requests under way: enough to keep all threads busy with small tensors, few enough to bound what is computed at once. */
const CONCURRENCY = 4;

/**
 * Writes the file, whole or not at all.
 * @returns its size in bytes.
 * @throws CheckpointError when a name is taken twice or cannot be written down, there is no room, or the folder is missing;
 *   what the engine and the tensors' readers throw; the signal's reason when it was aborted.
 */
export async function writeSafetensors(options: WriteOptions): Promise<{ bytes: number }> {
  const { output, path: target, inputs, signal } = options;
  const { header, places, bytes } = layOut(output.tensors, output, target);
  await checkTarget(target, inputs);
  await checkRoom(target, bytes);
  const temporary = `${target}.${randomBytes(4).toString("hex")}.tmp`;
  const file = await open(temporary, "wx").catch((error: unknown) => {
    throw notWritten(error, target);
  });
  // Also when the process is told to end before this does.
  const remove = (): void => rmSync(temporary, { force: true });
  process.once("exit", remove);
  try {
    try {
      await fill(options, { file, temporary, header, places, bytes });
      await checkUnchanged(inputs);
      signal?.throwIfAborted();
      await file.sync();
      await options.verify?.(temporary, places);
    } finally {
      await file.close();
    }
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw notWritten(error, target, temporary);
  } finally {
    process.off("exit", remove);
  }
  await syncFolder(path.dirname(target));
  return { bytes };
}

/** @throws CheckpointError when `target` is a folder or one of the inputs, under whatever name. */
async function checkTarget(target: string, inputs: readonly CheckpointFile[]): Promise<void> {
  const there = await stat(target).catch(() => undefined);
  if (there === undefined) return;
  if (there.isDirectory()) throw new CheckpointError("usage", "this is a folder; name the file to write", target);
  const real = await realpath(target);
  for (const input of inputs) {
    const read = await stat(input.path).catch(() => undefined);
    const same = read !== undefined && read.dev === there.dev && read.ino === there.ino && read.ino !== 0;
    if (same || real === (await realpath(input.path).catch(() => input.path))) {
      throw new CheckpointError("usage", "this is one of the files that are read; choose another name to write to", target);
    }
  }
}

interface Opened extends Layout<OutputTensor> {
  file: FileHandle;
  temporary: string;
}

async function fill({ engine, signal, onProgress }: WriteOptions, { file, temporary, header, places, bytes }: Opened): Promise<void> {
  await file.write(header);
  await file.truncate(bytes);
  const total = bytes - header.length;
  let done = 0;
  await allOrNothing(
    places,
    CONCURRENCY,
    async ({ tensor, offset }, scope) => {
      let told = 0;
      const advance = (written: number): void => {
        done += written - told;
        told = written;
        onProgress?.(done, total, tensor.name);
      };
      if (tensor.bytes > 0) await writeTensor(tensor, temporary, offset, engine, scope, (share) => advance(Math.floor(share * tensor.bytes)));
      advance(tensor.bytes);
    },
    signal,
  );
}
