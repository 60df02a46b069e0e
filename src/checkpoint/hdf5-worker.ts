/**
 * The thread that runs the HDF5 library (h5wasm): one file, nothing else of the file system, bounded memory. A damaged file
 * may crash or stall it; whoever started it ends it then.
 */
import { fstatSync, openSync, readSync, writeSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import * as h5wasm from "h5wasm";
import { Hdf5Problem, listFile, type Library } from "./hdf5-listing";
import type { Hdf5Place, Hdf5Reply, Hdf5Request } from "./hdf5-protocol";
import { slabsOf } from "./hdf5-slabs";

/** Of the library's memory. It asks for more when a chunk needs it. */
const MOST_MEMORY = 192 << 20;
const PAGE = 65536;
const ALIVE_MS = 200;
const NAME = "/model.h5";

const place = workerData as Hdf5Place;
const port = parentPort!;

let lastAlive = 0;
function alive(): void {
  const now = performance.now();
  if (now - lastAlive < ALIVE_MS) return;
  lastAlive = now;
  reply({ kind: "alive" });
}

function reply(message: Hdf5Reply): void {
  port.postMessage(message);
}

/** The library's allocations fail beyond the limit, and it says so. */
function limitMemory(): void {
  const memory = WebAssembly.Memory.prototype;
  const grow = Reflect.get<typeof memory, "grow">(memory, "grow");
  memory.grow = function (this: WebAssembly.Memory, pages: number): number {
    if (this.buffer.byteLength + pages * PAGE > MOST_MEMORY) throw new RangeError("out of memory");
    return grow.call(this, pages);
  };
}

/** What is used of the library's file system. */
interface FileSystem {
  createFile(parent: string, name: string, properties: object, canRead: boolean, canWrite: boolean): { stream_ops: object };
  ErrnoError: new (code: number) => Error;
}
const EIO = 29;

/** @throws Hdf5Problem when the file is another than the one that was listed. */
function checkVersion(file: number): void {
  const { size, mtimeMs } = fstatSync(file);
  if (size !== place.version.bytes || (place.version.modified !== undefined && mtimeMs !== place.version.modified)) throw new Hdf5Problem("the file changed while it was being read; open it again");
}

/** The library sees the one file, from `place.offset` on, and reads it when it asks. */
function openFile(file: number): h5wasm.File {
  const files = h5wasm.FS as unknown as FileSystem;
  const node = files.createFile("/", NAME.slice(1), {}, true, false);
  Object.defineProperty(node, "usedBytes", { get: () => place.bytes });
  node.stream_ops = {
    ...node.stream_ops,
    read(_stream: unknown, buffer: Uint8Array, offset: number, length: number, position: number): number {
      const wanted = Math.min(length, Math.max(0, place.bytes - position));
      try {
        return wanted === 0 ? 0 : readSync(file, buffer, offset, wanted, place.offset + position);
      } catch {
        throw new files.ErrnoError(EIO);
      }
    },
  };
  return new h5wasm.File(NAME, "r");
}

function writeDataset(file: h5wasm.File, library: Library, name: string, to: number): void {
  const path = `/${name}`;
  const { shape, chunks, size, total_size } = library.get_dataset_metadata(file.file_id, path);
  if (shape === null || total_size === 0) return;
  for (const { start, count } of slabsOf(shape, chunks, size)) {
    alive();
    const bytes = count.reduce((product, length) => product * length, size);
    const at = (library as unknown as { _malloc(bytes: number): number })._malloc(bytes);
    if (at === 0) throw new Hdf5Problem("reading it needs more memory than the library is given", name);
    try {
      const scalar = count.length === 0;
      const status = library.get_dataset_data(file.file_id, path, scalar ? null : count.map(BigInt), scalar ? null : start.map(BigInt), scalar ? null : count.map(() => 1n), BigInt(at));
      if (status < 0) throw new Hdf5Problem("its elements cannot be read", name);
      const { HEAPU8 } = library as unknown as { HEAPU8: Uint8Array };
      for (let done = 0; done < bytes; ) done += writeSync(to, HEAPU8, at + done, bytes - done);
    } finally {
      (library as unknown as { _free(at: number): void })._free(at);
    }
  }
}

async function main(): Promise<void> {
  limitMemory();
  // The library prints its own account of errors; the sentence of the reply says enough.
  process.stdout.write = process.stderr.write = () => true;
  const library = await h5wasm.ready;
  let file: number | undefined;
  let opened: h5wasm.File | undefined;
  port.on("message", (request: Hdf5Request) => {
    try {
      file ??= openSync(place.path, "r");
      checkVersion(file);
      opened ??= openFile(file);
      if (request.kind === "list") reply({ kind: "listed", listing: listFile(opened, library, alive) });
      else {
        writeDataset(opened, library, request.name, request.file);
        reply({ kind: "written" });
      }
    } catch (error) {
      reply(failure(error));
    }
  });
}

function failure(error: unknown): Hdf5Reply {
  if (error instanceof Hdf5Problem) return { kind: "failed", code: "malformed", message: error.message, ...(error.key === undefined ? {} : { key: error.key }) };
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  if (code === "ENOSPC") return { kind: "failed", code: "io", message: "there is no room for its decoded values in the folder of temporary files" };
  if (syscall !== undefined) return { kind: "failed", code: "io", message: `the file cannot be read (${code ?? message})` };
  return { kind: "failed", code: "malformed", message: `the HDF5 library cannot read it (${String(message ?? error).split("\n")[0]!.slice(0, 200).replace(/\.$/, "")})` };
}

void main();
