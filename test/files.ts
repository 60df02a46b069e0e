/** Builds safetensors files and folders for tests, byte by byte, and finds the repository's own files. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** The repository's root, from wherever the bundled test lies. */
export const root = (() => {
  let folder = __dirname;
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
})();

export const fixtures = join(root, "test", "fixtures");

/** A safetensors file: the header's length, the header (an object, JSON text or bytes), the data. */
export function safetensorsBytes(header: object | string | Uint8Array, data: Uint8Array | number = 0, length?: bigint): Uint8Array {
  const json = header instanceof Uint8Array ? header : Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(length ?? BigInt(json.length));
  return Buffer.concat([prefix, json, typeof data === "number" ? new Uint8Array(data) : data]);
}

/** A header whose tensors lie one after the other. */
export function headerOf(tensors: Record<string, { dtype: string; shape: number[]; bytes: number }>, metadata?: Record<string, string>): object {
  let at = 0;
  const entries = Object.entries(tensors).map(([name, { dtype, shape, bytes }]) => [name, { dtype, shape, data_offsets: [at, (at += bytes)] }]);
  return Object.fromEntries(metadata === undefined ? entries : [["__metadata__", metadata], ...entries]) as object;
}

/** A file of F32 vectors, zeros, one per name. */
export function vectors(lengths: Record<string, number>): Uint8Array {
  const tensors = Object.fromEntries(Object.entries(lengths).map(([name, length]) => [name, { dtype: "F32", shape: [length], bytes: 4 * length }]));
  return safetensorsBytes(headerOf(tensors), 4 * Object.values(lengths).reduce((a, b) => a + b, 0));
}

/** A folder of its own that is removed with `remove`. */
export class Scratch {
  readonly folder = mkdtempSync(join(tmpdir(), "weight-loupe-"));

  /** Writes `content` (objects as JSON) and answers its path. */
  write(name: string, content: Uint8Array | string | object): string {
    const path = join(this.folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content instanceof Uint8Array || typeof content === "string" ? content : JSON.stringify(content));
    return path;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
