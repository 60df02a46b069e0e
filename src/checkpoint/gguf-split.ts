/**
 * The later parts of a split GGUF model. `llama-gguf-split` names them `NAME-00002-of-00005.gguf`, repeats `split.count` in
 * each, and keeps the model's metadata in the first. Parts that are missing or malformed do not keep the others from opening.
 */
import { basename, dirname, join } from "node:path";
import type { Finding } from "../protocol/results";
import { CheckpointError, type CheckpointFile, type SourceOpener, type Tensor } from "./checkpoint";
import { readGguf, type GgufFile } from "./gguf-file";
import { grouped, quote } from "./quote";

export interface SplitName {
  /** From 1. */
  number: number;
  count: number;
  /** File name of another part, from 1. */
  part(number: number): string;
}

/** What a part's file name says; null when it is no part's. */
export function splitName(name: string): SplitName | null {
  const found = /^(.*)-(\d{5})-of-(\d{5})(\.gguf)$/is.exec(name);
  if (found === null) return null;
  const [number, count] = [Number(found[2]), Number(found[3])];
  if (number < 1 || number > count) return null;
  return { number, count, part: (other) => `${found[1]!}-${String(other).padStart(5, "0")}-of-${found[3]!}${found[4]!}` };
}

interface Parts {
  /** Of the later parts. */
  files: CheckpointFile[];
  /** Of all parts. */
  tensors: Tensor[];
  findings: Finding[];
}

/** Missing parts named in one finding. */
const SHOWN = 3;

/**
 * Reads all parts after the first.
 * @param path of the first.
 */
export async function readParts(path: string, split: SplitName, first: GgufFile, sources: SourceOpener): Promise<Parts> {
  const parts = new PartReader(path, sources, first);
  const said = first.metadata.values["split.count"];
  if (said !== undefined && said !== split.count) {
    parts.finding("split-count", `The file is named as one of ${grouped(split.count)} parts, but its metadata says split.count ${quote(JSON.stringify(said))}.`);
  }
  // Listed once: a name may announce 99,999 parts.
  const folder = await sources.list(dirname(path));
  const present = folder === null ? null : new Set(folder);
  for (let number = 2; number <= split.count; number++) {
    const name = split.part(number);
    const there = present === null ? await sources.exists(join(dirname(path), name)) : present.has(name);
    await parts.read(name, number, there);
  }
  return parts.finish(first.metadata.values["split.tensors.count"]);
}

class PartReader {
  private readonly files: CheckpointFile[] = [];
  private readonly tensors: Tensor[];
  private readonly findings: Finding[] = [];
  private readonly names: Set<string>;
  private readonly missing: string[] = [];
  private unreadable = 0;

  constructor(
    private readonly path: string,
    private readonly sources: SourceOpener,
    first: GgufFile,
  ) {
    this.tensors = [...first.tensors];
    this.names = new Set(first.tensors.map(({ name }) => name));
  }

  finding(rule: string, message: string, severity: Finding["severity"] = "warning"): void {
    this.findings.push({ rule, severity, message });
  }

  async read(name: string, number: number, there: boolean): Promise<void> {
    const path = join(dirname(this.path), name);
    if (!there) {
      this.missing.push(name);
      this.files.push({ path, bytes: 0, missing: true });
      return;
    }
    let bytes = 0;
    try {
      const source = await this.sources.open(path);
      try {
        bytes = await source.size();
        const part = await readGguf(source, number - 1);
        this.files.push({ path, bytes, ...(part.modified === undefined ? {} : { modified: part.modified }) });
        this.add(part, name, number);
      } finally {
        await source.close();
      }
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      this.unreadable++;
      this.files.push({ path, bytes });
      this.finding("unreadable-shard", `The part ${quote(name)} cannot be read: ${error.message}.`, "error");
    }
  }

  finish(expected: unknown): Parts {
    const { missing, tensors, files, findings } = this;
    if (missing.length > 0) {
      const shown = missing.slice(0, SHOWN).map(quote).join(", ") + (missing.length > SHOWN ? ` and ${grouped(missing.length - SHOWN)} more` : "");
      this.finding("missing-shard", `${missing.length === 1 ? "The part" : "The parts"} ${shown} ${missing.length === 1 ? "is" : "are"} missing: the tensors in ${missing.length === 1 ? "it" : "them"} are not listed.`, "error");
    } else if (this.unreadable === 0 && typeof expected === "number" && expected !== tensors.length) {
      this.finding("split-tensor-count", `The metadata of ${quote(basename(this.path))} says that all parts hold ${grouped(expected)} tensors, but they hold ${grouped(tensors.length)}.`);
    }
    return { files, tensors, findings };
  }

  private add(part: GgufFile, name: string, number: number): void {
    const said = part.metadata.values["split.no"];
    if (said !== undefined && said !== number - 1) this.finding("split-number", `The part ${quote(name)} says that it is split.no ${quote(JSON.stringify(said))}, not ${number - 1}.`);
    const twice: string[] = [];
    for (const tensor of part.tensors) {
      if (this.names.has(tensor.name)) twice.push(tensor.name);
      else {
        this.names.add(tensor.name);
        this.tensors.push(tensor);
      }
    }
    if (twice.length > 0) {
      const shown = twice.slice(0, SHOWN).map(quote).join(", ") + (twice.length > SHOWN ? ` and ${grouped(twice.length - SHOWN)} more tensors` : "");
      this.finding("tensor-in-two-shards", `${shown}: also in the part ${quote(name)}; only the other copy is shown.`, "error");
    }
  }
}
