/** Rows of an embedding that were trained on their own: PEFT's trainable tokens, alone or beside another type. */
import { CheckpointError } from "../checkpoint";
import { quote } from "../quote";
import type { AdapterModule, AdapterSource, FamilyReader } from "./adapter";
import { deltaOnBase } from "./base-model";
import { add, gather, literal, reshape, scatter, shapeOf, ShapeMismatch, subtract } from "./build";
import { everyModule } from "./modules";
import { needed, settingError, type Factor } from "./peft-names";

export const trainableTokens: FamilyReader = (source) =>
  everyModule(source, ["trainable_tokens_delta"], (module) => trainedRows(source, "TRAINABLE_TOKENS", module.module, needed(source, module, "trainable_tokens_delta")));

/**
 * The change of the embedding `module`: the stored rows (tokens, dimension), which PEFT calls a delta, replace the base's rows
 * of the tokens that `trainable_token_indices` or `token_indices` lists.
 */
export async function trainedRows(source: AdapterSource, type: string, module: string, rows: Factor): Promise<AdapterModule> {
  const tokens = tokenIndices(source, module);
  const [count = 0, dimension = 0] = rows.shape;
  if (rows.shape.length !== 2 || count !== tokens.length) {
    throw new CheckpointError("malformed", `the adapter has ${count} rows for ${tokens.length} trainable tokens of ${quote(module)}`, source.checkpoint.path, { tensor: rows.tensor.name });
  }
  const tensor = `${module}.weight`;
  const vocabulary = source.base?.find(tensor)?.shape[0];
  const highest = tokens.reduce((a, b) => Math.max(a, b), -1);
  const delta = await deltaOnBase(source, tensor, (weight) => {
    const shape = shapeOf(weight);
    if (shape.length !== 2 || shape[1] !== dimension) throw new ShapeMismatch(`rows of ${dimension} values do not fit an embedding of shape [${shape.join(", ")}]`);
    if (highest >= shape[0]!) throw new ShapeMismatch(`the token ${highest} is outside a vocabulary of ${shape[0]}`);
    const starts = literal([tokens.length, 1], tokens.map((token) => token * dimension));
    const columns = literal([1, dimension], Array.from({ length: dimension }, (_, i) => i));
    const positions = reshape(add(starts, columns), [tokens.length * dimension]);
    const changes = subtract(rows.expression, gather(weight, 0, literal([tokens.length], tokens)));
    return scatter(shape, positions, reshape(changes, [tokens.length * dimension]));
  });
  // Without the base only the least size of the vocabulary is known.
  const shape = [vocabulary ?? highest + 1, dimension];
  return { module, tensor, type, rank: null, scale: 1, shape, stored: "vocabulary_first", factors: [rows.index], ...delta };
}

/** Token indices for an embedding: a list for the input embedding, or an object by (the end of) the module's name. */
function tokenIndices(source: AdapterSource, module: string): number[] {
  const key = source.config.trainable_token_indices === undefined || source.config.trainable_token_indices === null ? "token_indices" : "trainable_token_indices";
  let value = source.config[key];
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    const named = Object.entries(value).find(([name]) => module === name || module.endsWith(`.${name}`));
    value = named?.[1];
  }
  if (!Array.isArray(value) || !value.every((token): token is number => Number.isSafeInteger(token) && (token as number) >= 0) || value.length === 0 || new Set(value).size !== value.length) {
    throw settingError(source, key, value, "a list of distinct token indices");
  }
  return value;
}
