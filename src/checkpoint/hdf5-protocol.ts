/** What the reader of HDF5 files and the thread that runs the HDF5 library say to each other. */

/** A part of a file that is an HDF5 file: all of it, or a stored member of an archive. */
export interface Hdf5Place {
  path: string;
  offset: number;
  bytes: number;
  /** Of the whole file when it was listed: another version is not read. */
  version: { bytes: number; modified: number | undefined };
}

export interface Hdf5Dataset {
  /** Path without the leading slash. */
  name: string;
  /** Safetensors' spelling for plain numbers, else the class of the type. */
  dtype: string;
  shape: number[];
  /** Bytes of one element. */
  itemBytes: number;
  /** Why its values cannot be read. */
  unreadable?: string;
  /** Equal for two names of one dataset. */
  object: string;
}

export interface Hdf5Listing {
  datasets: Hdf5Dataset[];
  /** Attributes as `path@name`, and links that lead nowhere as `path@link`. */
  metadata: [string, unknown][];
}

export type Hdf5Request =
  | { kind: "list" }
  /** Writes a dataset's elements, row-major and little endian, to an open file. */
  | { kind: "read"; name: string; file: number };

export type Hdf5Reply =
  /** Work goes on. */
  | { kind: "alive" }
  | { kind: "listed"; listing: Hdf5Listing }
  | { kind: "written" }
  | { kind: "failed"; code: "io" | "malformed" | "unsupported"; message: string; key?: string };
