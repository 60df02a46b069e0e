/** ONNX models: the initializers of the graph, in the file or in files beside it. */
import { CheckpointError, type ByteSource, type Checkpoint, type CheckpointFormat, type SourceOpener } from "./checkpoint";
import { companionPath } from "./companion";
import { readModel } from "./onnx-model";
import { tensorOf, type Holder } from "./onnx-tensor";
import { checkpointOf, fileOf, withSource } from "./one-file";
import { grouped } from "./quote";
import type { Finding } from "../protocol/results";

/** A model may name a file for each tensor. */
const MAX_FILES = 10_000;

export const onnx: CheckpointFormat = {
  id: "onnx",
  matches: (path) => /\.onnx$/i.test(path),
  open: (path: string, sources: SourceOpener): Promise<Checkpoint> => withSource(path, sources, (source) => openModel(source, sources)),
};

async function openModel(source: ByteSource, sources: SourceOpener): Promise<Checkpoint> {
  const model: Holder = { index: 0, file: await fileOf(source), source };
  const { tensors: records, metadata } = await readModel(source);
  const files = [model.file];
  const findings: Finding[] = [];
  const holders = new Map<string, Holder | null>();
  try {
    for (const { external } of records) {
      const location = external?.get("location");
      if (external === null || holders.has(location ?? "")) continue;
      if (holders.size === MAX_FILES) throw new CheckpointError("malformed", `the model names more than ${grouped(MAX_FILES)} files`, source.path);
      const path = await companionPath(source.path, location ?? "", "the external data", sources);
      if (await sources.exists(path)) {
        const opened = await sources.open(path);
        const file = await fileOf(opened);
        holders.set(location!, { index: files.push(file) - 1, file, source: opened });
      } else {
        files.push({ path, bytes: 0, missing: true });
        holders.set(location!, null);
        findings.push({ rule: "missing-shard", severity: "error", message: `The file ${path} with external data is missing.` });
      }
    }
    const tensors = records.map((record) => tensorOf(record, model, record.external === null ? null : (holders.get(record.external.get("location") ?? "") ?? null)));
    return await checkpointOf(source.path, sources, { format: "onnx", files, tensors, metadata, findings });
  } finally {
    for (const holder of holders.values()) await holder?.source.close();
  }
}
