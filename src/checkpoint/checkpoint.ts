/** What every format reader produces: the structure of a checkpoint, from header bytes alone. */
import type { Expression } from "../engine/protocol";
import type { Finding } from "../protocol/results";
import type { MetadataTable } from "./string-table";

/** Random access to bytes. Implementations count what they read, so that tests can assert it. */
export interface ByteSource {
  /** Absolute path or URI, for messages and for `Expression.file`. */
  readonly path: string;
  /** Size in bytes, when the source was first opened. */
  size(): Promise<number>;
  /** mtime in milliseconds when the source was first opened, where there is one. */
  modified(): Promise<number | undefined>;
  /**
   * Exactly `length` bytes from `offset`.
   * @throws CheckpointError `"truncated"` when the source ends earlier.
   */
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Opens byte sources, also beside the file that was asked for (shards, `config.json`). */
export interface SourceOpener {
  /** @throws CheckpointError `"io"` when the file cannot be opened. */
  open(path: string): Promise<ByteSource>;
  exists(path: string): Promise<boolean>;
  /** Names in a folder, sorted; null when `path` is no folder. */
  list(path: string): Promise<string[] | null>;
  /** `path` with every symbolic link resolved; itself where there are none. */
  realPath(path: string): Promise<string>;
}

export interface CheckpointFile {
  /** Absolute. */
  path: string;
  bytes: number;
  /** mtime in milliseconds, where the file system has one: part of the cache key. */
  modified?: number;
  missing?: true;
}

export interface Tensor {
  /** The file's own name; hostile text. */
  name: string;
  /** The file's own dtype name. */
  dtype: string;
  /** Tensors of equal shape may share the array: it is not to be modified. */
  shape: number[];
  /** Product of the shape. */
  parameters: number;
  bytes: number;
  /** Index into `Checkpoint.files`. */
  file: number;
  /** First byte in the file; null when the bytes are not contiguous there or the shard is missing. */
  offset: number | null;
  /** Other names of the same bytes. */
  sharedWith?: string[];
  /** The bytes at `offset` are the elements, row-major and little endian, though the engine does not decode them. */
  verbatim?: true;
  /** Why values cannot be decoded; then `expression` is null. */
  unreadable?: string;
  /** How the engine reads it; null when values cannot be decoded, or when `load` has to make them readable first. */
  expression: Expression | null;
  /**
   * Makes the values readable where the file does not hold them in place (compressed or chunked storage): writes them to a
   * file of their own and says how to read that. Asked at most once for a tensor.
   */
  load?(signal?: AbortSignal): Promise<Expression>;
}

export interface Checkpoint {
  /** What was opened: a file, an index or a folder. */
  path: string;
  /** Registry id: `"safetensors"` … */
  format: string;
  files: CheckpointFile[];
  /** In file order. */
  tensors: Tensor[];
  metadata: Record<string, unknown>;
  /** Lists of strings by metadata key, where `metadata` shows only their ends. */
  tables?: ReadonlyMap<string, MetadataTable>;
  architecture: { name: string; from: "config" | "names" } | null;
  /** Number of repeated layers, null when the names show none. */
  layers: number | null;
  /** What the structure alone shows. */
  findings: Finding[];
  /** The index that lists this file among its shards, when there is one beside it. */
  wholeModel?: string;
}

/** One format. Adding a format is one module that exports one of these, and one line in `registry.ts`. */
export interface CheckpointFormat {
  readonly id: string;
  /** Says by file name alone whether this format may read the file. */
  matches(path: string): boolean;
  /** @throws CheckpointError with one sentence that names file, place and reason. */
  open(path: string, sources: SourceOpener): Promise<Checkpoint>;
}

export type CheckpointErrorCode = "io" | "truncated" | "malformed" | "unsupported" | "usage";

/** Bad input, said in one sentence a user can act on. */
export class CheckpointError extends Error {
  constructor(
    readonly code: CheckpointErrorCode,
    /** Without the file's name: what is wrong and where. */
    message: string,
    readonly file: string,
    readonly where: { tensor?: string; offset?: number; key?: string } = {},
  ) {
    super(message);
    this.name = "CheckpointError";
  }
}
