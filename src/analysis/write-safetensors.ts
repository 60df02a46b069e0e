/**
 * Writes a safetensors file: laid out here, its data written by the engine, under a temporary name beside the output until it
 * is whole and on disk. Specification: https://github.com/huggingface/safetensors#format.
 */
import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { open, realpath, rename, rm, stat, statfs, type FileHandle } from "node:fs/promises";
import path from "node:path";
import { CheckpointError, type CheckpointFile } from "../checkpoint/checkpoint";
import { bitsOf } from "../checkpoint/dtypes";
import { grouped, quote } from "../checkpoint/quote";
import { MAX_HEADER_BYTES, parseHeader } from "../checkpoint/safetensors-header";
import { EngineError } from "../engine/error";
import type { Output, OutputTensor } from "./convert";
import type { Engine } from "./engine";

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
  verify?(file: string, places: readonly Place[]): Promise<void>;
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
  const { header, places, bytes } = layOut(output, target);
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

/** Where a tensor's bytes begin in the file. */
export interface Place {
  tensor: OutputTensor;
  offset: number;
}

interface Layout {
  /** The length, the JSON and its padding. */
  header: Uint8Array;
  /** In file order. */
  places: Place[];
  bytes: number;
}

/** Wide types first, else in the order given: every element is aligned, as the format's own library lays files out. */
function layOut({ tensors, metadata, header: given }: Output, target: string): Layout {
  if (given !== undefined) return laidOut(given, tensors, target);
  const width = ({ dtype }: OutputTensor): number => Math.ceil(bitsOf(dtype)! / 8);
  const ordered = [...tensors].sort((a, b) => width(b) - width(a));
  const entries: string[] = Object.keys(metadata).length === 0 ? [] : [`"__metadata__":${JSON.stringify(metadata)}`];
  const names = new Set<string>();
  let end = 0;
  const begins = ordered.map((tensor) => {
    const { name, dtype, shape, bytes } = tensor;
    if (names.has(name)) throw new CheckpointError("unsupported", `there are two tensors of the name ${quote(name)}, and a safetensors file can hold one`, target, { tensor: name });
    names.add(name);
    if (name === "__metadata__" || !isUnicode(name)) throw new CheckpointError("unsupported", `a safetensors file cannot hold a tensor of the name ${quote(name)}`, target, { tensor: name });
    const begin = end;
    end += bytes;
    entries.push(`${JSON.stringify(name)}:{"dtype":"${dtype}","shape":[${shape.join(",")}],"data_offsets":[${begin},${end}]}`);
    return begin;
  });
  const json = Buffer.from(`{${entries.join(",")}}`);
  const length = Math.ceil(json.length / 8) * 8;
  if (length > MAX_HEADER_BYTES) throw new CheckpointError("unsupported", `names and metadata take ${grouped(length)} bytes, and a safetensors header can have ${grouped(MAX_HEADER_BYTES)}`, target);
  const header = Buffer.alloc(8 + length, " ");
  header.writeBigUInt64LE(BigInt(length));
  header.set(json, 8);
  if (!Number.isSafeInteger(header.length + end)) throw new CheckpointError("unsupported", "the tensors take more bytes than a file can hold", target);
  return { header, places: ordered.map((tensor, i) => ({ tensor, offset: header.length + begins[i]! })), bytes: header.length + end };
}

/** As `header` says. @throws CheckpointError when that is no header of these tensors. */
function laidOut(json: Uint8Array, tensors: readonly OutputTensor[], target: string): Layout {
  const bytes = tensors.reduce((sum, tensor) => sum + tensor.bytes, 0);
  const { entries } = parseHeader(json, target, bytes);
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const header = Buffer.alloc(8 + json.length);
  header.writeBigUInt64LE(BigInt(json.length));
  header.set(json, 8);
  const places = entries.map(({ name, dtype, shape, begin }) => {
    const tensor = byName.get(name);
    const same = tensor?.dtype === dtype && tensor.shape.length === shape.length && tensor.shape.every((length, i) => length === shape[i]);
    if (!same) throw new CheckpointError("malformed", `the header to write has ${quote(name)}, which is no tensor of the model`, target, { tensor: name });
    return { tensor, offset: header.length + begin };
  });
  if (places.length !== tensors.length) throw new CheckpointError("malformed", `the header to write has ${places.length} tensors, and the model ${tensors.length}`, target);
  return { header, places, bytes: header.length + bytes };
}

/** Whether a text is one that UTF-8 can hold: no half of a surrogate pair. */
function isUnicode(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
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

async function checkRoom(target: string, bytes: number): Promise<void> {
  const disk = await statfs(path.dirname(target)).catch((error: unknown) => {
    throw notWritten(error, target);
  });
  const free = disk.bavail * disk.bsize;
  // Some network file systems say nothing of their room.
  if (disk.blocks > 0 && bytes > free) throw new CheckpointError("io", `the file needs ${grouped(bytes)} bytes, and there is room for ${grouped(free)}`, target);
}

interface Opened extends Layout {
  file: FileHandle;
  temporary: string;
}

async function fill({ engine, signal, onProgress }: WriteOptions, { file, temporary, header, places, bytes }: Opened): Promise<void> {
  await file.write(header);
  await file.truncate(bytes);
  const total = bytes - header.length;
  // Also ends the others when one fails.
  const stop = new AbortController();
  const scope = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  let done = 0;
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let place = places[next++]; place !== undefined; place = places[next++]) {
      const { tensor, offset } = place;
      let told = 0;
      const advance = (written: number): void => {
        done += written - told;
        told = written;
        onProgress?.(done, total, tensor.name);
      };
      if (tensor.bytes > 0) await writeTensor(tensor, temporary, offset, engine, scope, (share) => advance(Math.floor(share * tensor.bytes)));
      advance(tensor.bytes);
    }
  };
  const outcomes = await Promise.allSettled(
    Array.from({ length: Math.min(CONCURRENCY, places.length) }, async () => {
      try {
        await worker();
      } catch (error) {
        stop.abort(error);
        throw error;
      }
    }),
  );
  signal?.throwIfAborted();
  // The first failure; the others are its consequences.
  if (stop.signal.aborted) throw stop.signal.reason;
  for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
}

async function writeTensor(tensor: OutputTensor, file: string, offset: number, engine: Engine, signal: AbortSignal, onShare: (share: number) => void): Promise<void> {
  const expression = await tensor.read(signal);
  const onProgress = ({ done, total }: { done: number; total: number }): void => onShare(total > 0 ? Math.min(done / total, 1) : 0);
  try {
    const { bytes } = await engine.request("write", { tensor: expression, dtype: tensor.written, file, offset }, { signal, onProgress });
    if (bytes !== tensor.bytes) throw new EngineError("internal", `${quote(tensor.name)} has ${grouped(bytes)} bytes where ${grouped(tensor.bytes)} were laid out.`);
  } catch (error) {
    if (!(error instanceof EngineError) || error.code === "cancelled" || error.file === file) throw error;
    throw new CheckpointError(error.code === "io" || error.code === "truncated" ? error.code : "unsupported", lowered(error.message), error.file ?? "", { tensor: tensor.name });
  }
}

/** A sentence as a clause. */
function lowered(sentence: string): string {
  return sentence.replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase()).replace(/\.$/, "");
}

/** @throws CheckpointError when a file is not what it was when its header was read. */
async function checkUnchanged(inputs: readonly CheckpointFile[]): Promise<void> {
  for (const { path: name, bytes, modified, missing } of inputs) {
    if (missing === true || modified === undefined) continue;
    const now = await stat(name).catch(() => undefined);
    if (now?.size !== bytes || now.mtimeMs !== modified) throw new CheckpointError("io", "the file changed while it was being read", name);
  }
}

/** What the system has against writing, about the output and in one clause; any other error as it is. */
function notWritten(error: unknown, target: string, temporary?: string): unknown {
  if (error instanceof EngineError && error.file !== undefined && error.file === temporary) {
    const full = /No space left|quota|not enough space/i.test(error.message);
    return new CheckpointError("io", full ? "there is no room left to write it" : `it cannot be written (${lowered(error.message)})`, target);
  }
  const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined) return error;
  if (code === "ENOENT") return new CheckpointError("io", `it cannot be written: there is no folder ${path.dirname(target)}`, target);
  if (code === "ENOSPC" || code === "EDQUOT") return new CheckpointError("io", "there is no room left to write it", target);
  return new CheckpointError("io", `it cannot be written (${code})`, target);
}

/** Makes the new name durable, where folders can be synced. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, "r");
    await handle.sync().finally(() => handle.close());
  } catch {
    // The file itself is on disk; some systems do not open folders.
  }
}
