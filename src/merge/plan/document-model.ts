/** An earlier document's result as a model of later ones: nothing of it is on disk, its tensors are computed where they are needed. */
import type { Expression } from "../../engine/protocol";
import { JsonReader } from "../../checkpoint/json-reader";
import { architectureIn, familyOf } from "../models/architecture";
import { layerPlace, type BesideFile, type MergeModel } from "../models/model";
import { isComputable } from "./dtypes";
import type { MergePlan, PlannedTensor } from "./plan";

/** @param name the document's. */
export function modelOfPlan(name: string, { tensors, config: text, tokenizer, files }: MergePlan): MergeModel {
  const config = text === null ? null : (new JsonReader(Buffer.from(text, "utf8"), { file: name, what: "the configuration", pythonNumbers: true }).value() as Record<string, unknown>);
  const architecture = architectureIn(config);
  return {
    path: name,
    tensors: new Map(
      tensors.map((tensor) => {
        const { name, dtype, shape, bytes } = tensor;
        return [name, { name, dtype, shape, bytes, parameters: shape.reduce((product, length) => product * length, 1), place: layerPlace(name), read: (signal) => rounded(tensor, signal) }] as const;
      }),
    ),
    config,
    architecture,
    family: familyOf(architecture, config),
    files,
    notes: [],
    beside: (file) => Promise.resolve(besideOf(file, text, tokenizer)),
  };
}

/** As it would be read from its file. */
async function rounded(tensor: PlannedTensor, signal?: AbortSignal): Promise<Expression> {
  const of = await tensor.read(signal);
  const { dtype } = tensor;
  return !isComputable(dtype) || (of.kind === "range" && of.dtype === dtype) ? of : { kind: "cast", of, dtype };
}

function besideOf(file: string, config: string | null, { copied, written }: MergePlan["tokenizer"]): BesideFile | null {
  if (file === "config.json") return config === null ? null : { text: config };
  const text = written.find(({ name }) => name === file)?.text;
  if (text !== undefined) return { text };
  const from = copied.find(({ name }) => name === file)?.from;
  return from === undefined ? null : { from };
}
