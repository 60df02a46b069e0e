/** What an open HDF5 file holds, read by h5wasm: datasets, attributes, links; no elements. Runs in the library's thread. */
import { BrokenSoftLink, Dataset, ExternalLink, Group, type File, type Module } from "h5wasm";
import type { Hdf5Dataset, Hdf5Listing } from "./hdf5-protocol";
import { elementTypeOf } from "./hdf5-types";

export type Library = typeof Module;

const MAX_OBJECTS = 100_000;
const MAX_DEPTH = 64;
const MAX_ATTRIBUTES = 20_000;
/** Larger attributes are shown by their size. */
const MAX_ATTRIBUTE_BYTES = 1 << 20;

/** A fact about the file, said to the user as it is. */
export class Hdf5Problem extends Error {
  constructor(message: string, readonly key?: string) {
    super(message);
  }
}

/**
 * Lists `file`.
 * @param alive called now and then.
 * @throws Hdf5Problem, or what the library throws.
 */
export function listFile(file: File, library: Library, alive: () => void): Hdf5Listing {
  return new Lister(file, library, alive).list();
}

class Lister {
  private readonly datasets: Hdf5Dataset[] = [];
  private readonly metadata: [string, unknown][] = [];
  /** Groups by identity, so that links in a circle end. */
  private readonly groups = new Map<string, string>();
  private objects = 0;
  private attributes = 0;

  constructor(private readonly file: File, private readonly library: Library, private readonly alive: () => void) {}

  list(): Hdf5Listing {
    this.groups.set(this.identity("/"), "/");
    this.group(this.file, "", 0);
    return { datasets: this.datasets, metadata: this.metadata };
  }

  private group(group: Group, path: string, depth: number): void {
    this.addAttributes(group, path);
    if (depth === MAX_DEPTH) throw new Hdf5Problem(`its groups nest deeper than ${MAX_DEPTH} levels`, path);
    for (const key of group.keys()) {
      if (++this.objects > MAX_OBJECTS) throw new Hdf5Problem(`it has more than ${MAX_OBJECTS.toLocaleString("en-US")} objects`);
      this.alive();
      const name = path === "" ? key : `${path}/${key}`;
      const entity = group.get(key);
      if (entity instanceof Dataset) this.dataset(entity, name);
      else if (entity instanceof Group) this.enter(entity, name, depth);
      else if (entity instanceof BrokenSoftLink) this.metadata.push([`${name}@link`, `dangling soft link to ${entity.target}`]);
      else if (entity instanceof ExternalLink) this.metadata.push([`${name}@link`, `external link to ${entity.filename}:${entity.obj_path}`]);
    }
  }

  private enter(group: Group, name: string, depth: number): void {
    const identity = this.identity(`/${name}`);
    const earlier = this.groups.get(identity);
    if (earlier !== undefined) {
      this.metadata.push([`${name}@link`, `another name of the group ${earlier}`]);
      return;
    }
    this.groups.set(identity, name);
    this.group(group, name, depth + 1);
  }

  private dataset(dataset: Dataset, name: string): void {
    const { metadata } = dataset;
    const type = elementTypeOf(metadata, () => this.attribute(dataset, "dtype"));
    this.datasets.push({ name, shape: metadata.shape ?? [], itemBytes: metadata.size, object: this.identity(`/${name}`), ...type });
    this.addAttributes(dataset, name);
  }

  private addAttributes(object: Group | Dataset, path: string): void {
    for (const name of this.library.get_attribute_names(object.file_id, object.path)) {
      if (++this.attributes > MAX_ATTRIBUTES) return;
      this.metadata.push([`${path}@${name}`, this.attribute(object, name)]);
    }
  }

  private attribute(object: Group | Dataset, name: string): unknown {
    try {
      const { size, total_size } = this.library.get_attribute_metadata(object.file_id, object.path, name);
      if (size * total_size > MAX_ATTRIBUTE_BYTES) return `<${size * total_size} bytes>`;
      return plain(object.get_attribute(name, true));
    } catch {
      return "<cannot be read>";
    }
  }

  private identity(path: string): string {
    return Buffer.from(this.library.create_object_reference(this.file.file_id, path)).toString("hex");
  }
}

/** As JSON has it: what it cannot hold as text. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  return typeof value === "bigint" || (typeof value === "number" && !Number.isFinite(value)) ? String(value) : value;
}
