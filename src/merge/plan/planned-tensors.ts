/** Output tensors by how they come about: merged, taken from one input, copied. What they are read as is made when it is asked for. */
import { CheckpointError } from "../../checkpoint/checkpoint";
import type { Expression, FloatType } from "../../engine/protocol";
import type { MergeMethodEntry } from "../methods/method";
import { bytesOf } from "./dtypes";
import type { Operands, Resolved } from "./kernels";
import type { PlannedSource } from "./layout";
import type { MergingContext } from "./merging";
import type { OutlinedTensor } from "./outline";
import type { PlannedTensor } from "./plan";
import { firstRows, type Present } from "./shapes";
import { standIn } from "./stand-in";

/** The inputs of one tensor, and as what they are merged. */
export interface Ingredients {
  outlined: OutlinedTensor;
  present: readonly Present[];
  /** Where the method has a base apart. */
  base: Present | null;
  others: readonly Present[];
  /** Of the output. */
  shape: readonly number[];
  /** In which is computed. */
  type: FloatType;
  /** Its rows are brought into the order of the output's vocabulary. */
  aligned: boolean;
}

abstract class Planned implements PlannedTensor {
  readonly name: string;
  readonly layer: number | null;
  readonly shape: readonly number[];
  readonly bytes: number;
  abstract readonly policy: PlannedTensor["policy"];

  constructor(
    protected readonly context: MergingContext,
    protected readonly ingredients: Ingredients,
    protected readonly resolved: Resolved,
    readonly dtype: string,
  ) {
    const { outlined, shape } = ingredients;
    this.name = outlined.name;
    this.layer = outlined.layer;
    this.shape = shape;
    this.bytes = bytesOf(shape.reduce((product, length) => product * length, 1), dtype);
  }

  abstract read(signal?: AbortSignal): Promise<Expression>;

  get sources(): PlannedTensor["sources"] {
    return this.ingredients.present.map(({ source, tensor }) => ({ input: source.input.index, tensor: tensor.name, read: (signal) => tensor.read(signal) }));
  }

  get parameters(): PlannedTensor["parameters"] {
    const { present, others } = this.ingredients;
    const { shared, perModel } = this.resolved;
    const shown: PlannedTensor["parameters"] = { ...shared };
    for (const [name, values] of Object.entries(perModel)) {
      shown[name] = present.map((each) => {
        const at = others.indexOf(each);
        return at < 0 ? null : (values[at] ?? null);
      });
    }
    return shown;
  }

  /** The inputs as the method gets them: rows of vocabularies in the output's order, or cut. */
  protected async inputs(signal: AbortSignal | undefined): Promise<Map<Present, Expression>> {
    const { present, shape, aligned, type, outlined } = this.ingredients;
    const read = new Map<Present, Expression>();
    if (!aligned) {
      for (const each of present) read.set(each, firstRows(await each.tensor.read(signal), shape[0] ?? 1, each.tensor.shape[0] ?? 1));
      return read;
    }
    const { vocabulary, vocabularyOrder } = this.context;
    const tensors: (Expression | null)[] = [];
    for (const input of vocabularyOrder) {
      const tensor = input.model.tensors.get(outlined.name) ?? standIn({ input, at: input.at }, outlined.name);
      tensors.push(tensor === undefined ? null : await tensor.read(signal));
    }
    const rows = vocabulary.align(tensors, type, takingPart(vocabularyOrder, present));
    for (const each of present) read.set(each, rows[vocabularyOrder.indexOf(each.source.input)]!);
    return read;
  }
}

/** Which of the models are among a tensor's inputs. */
export function takingPart(models: readonly PlannedSource["input"][], present: readonly Present[]): boolean[] {
  return models.map((input) => present.some((each) => each.source.input === input));
}

export class MergedTensor extends Planned {
  readonly policy = "merged";

  async operands(signal?: AbortSignal): Promise<Operands> {
    const { base, others } = this.ingredients;
    const read = await this.inputs(signal);
    return { of: others.map((each) => read.get(each)!), base: base === null ? null : read.get(base)! };
  }

  read(signal?: AbortSignal): Promise<Expression> {
    return this.by(this.context.method, this.resolved, signal);
  }

  readBy(method: string, signal?: AbortSignal): Promise<Expression> {
    const entry = this.context.kernels.other(method);
    return this.by(entry, this.context.kernels.resolveLoosely(entry, this.ingredients.outlined, this.ingredients.others), signal);
  }

  private async by(entry: MergeMethodEntry, resolved: Resolved, signal: AbortSignal | undefined): Promise<Expression> {
    const { outlined, type, others } = this.ingredients;
    return this.context.kernels.expression({ entry, resolved, outlined, type, others, ...(await this.operands(signal)) }, signal);
  }
}

/** One input as it is. */
export class PassedTensor extends Planned {
  readonly policy = "passed-through";

  /** @param rounded the type to which values are rounded before they are written. */
  constructor(context: MergingContext, ingredients: Ingredients, resolved: Resolved, dtype: string, private readonly from: Present, private readonly rounded: FloatType | null) {
    super(context, ingredients, resolved, dtype);
  }

  async read(signal?: AbortSignal): Promise<Expression> {
    const of = (await this.inputs(signal)).get(this.from)!;
    return this.rounded === null ? of : { kind: "cast", of, dtype: this.rounded };
  }
}

/** Integers or truth values, equal in all inputs. */
export class CopiedTensor extends Planned {
  readonly policy = "copied";

  /** @throws CheckpointError when the inputs differ. */
  async read(signal?: AbortSignal): Promise<Expression> {
    const { present } = this.ingredients;
    const [first, ...rest] = await Promise.all(present.map(({ tensor }) => tensor.read(signal)));
    const { engine } = this.context.options;
    if (engine === undefined || rest.length === 0) return first!;
    const hashes = await Promise.all([first!, ...rest].map((tensor) => engine.request("hash", { tensor }, signal === undefined ? {} : { signal })));
    const other = hashes.findIndex(({ hash }) => hash !== hashes[0]!.hash);
    if (other > 0) {
      const labels = `${present[0]!.source.input.label} and ${present[other]!.source.input.label}`;
      throw new CheckpointError("usage", `it holds other integers in ${labels}, and those are not averaged; set dtype to merge them as numbers of floating point`, present[other]!.source.input.model.path, { tensor: this.name });
    }
    return first!;
  }
}
