/** A model's `config.json`, as Python's json module writes it. */
import { CheckpointError, type SourceOpener } from "../../checkpoint/checkpoint";
import { JsonReader } from "../../checkpoint/json-reader";
import { grouped } from "../../checkpoint/quote";

const MAX_BYTES = 4 << 20;

/**
 * The object in the file; null when there is none.
 * @throws CheckpointError when it is no JSON object, or larger than 4 MiB.
 */
export async function readConfiguration(path: string, sources: SourceOpener): Promise<Record<string, unknown> | null> {
  if (!(await sources.exists(path))) return null;
  const source = await sources.open(path);
  try {
    const size = await source.size();
    if (size > MAX_BYTES) throw new CheckpointError("malformed", `the configuration has ${grouped(size)} bytes, more than the limit of ${grouped(MAX_BYTES)}`, path);
    const reader = new JsonReader(await source.read(0, size), { file: path, what: "the configuration", pythonNumbers: true });
    const value = reader.value();
    reader.end();
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new CheckpointError("malformed", "the configuration is not an object", path);
    return value;
  } finally {
    await source.close();
  }
}
