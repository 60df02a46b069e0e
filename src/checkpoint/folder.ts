/** Which file of a folder is its model: the layout of the Hugging Face hub and of PEFT adapters. */
import { join } from "node:path";
import { CheckpointError, type CheckpointFormat, type SourceOpener } from "./checkpoint";
import { quote } from "./quote";

const CONVENTIONAL = [
  "model.safetensors.index.json", "model.safetensors", "adapter_model.safetensors",
  "pytorch_model.bin.index.json", "pytorch_model.bin", "adapter_model.bin",
];

/** A part of a split GGUF model that its first part brings with it. */
const LATER_PART = /-(?!00001)\d{5}-of-\d{5}\.gguf$/i;

/** Names shown when the choice is the user's. */
const SHOWN = 5;

/**
 * The one checkpoint that `folder` holds; undefined when `folder` is no folder.
 * @throws CheckpointError `"usage"` when it holds none, or several of which none has a conventional name.
 */
export async function checkpointIn(folder: string, formats: readonly CheckpointFormat[], sources: SourceOpener): Promise<string | undefined> {
  const names = await sources.list(folder);
  if (names === null) return undefined;
  const candidates = names.filter((name) => formats.some((format) => format.matches(name)) && !LATER_PART.test(name));
  const indexes = candidates.filter((name) => /\.index\.json$/i.test(name));
  const chosen =
    CONVENTIONAL.find((name) => candidates.includes(name)) ??
    (indexes.length === 1 ? indexes[0] : candidates.length === 1 ? candidates[0] : undefined);
  if (chosen !== undefined) return join(folder, chosen);
  if (candidates.length === 0) throw new CheckpointError("usage", "the folder holds no checkpoint", folder);
  const shown = candidates.slice(0, SHOWN).map(quote).join(", ") + (candidates.length > SHOWN ? " …" : "");
  throw new CheckpointError("usage", `the folder holds ${candidates.length} checkpoints (${shown}); name one of them`, folder);
}
