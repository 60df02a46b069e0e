/** The paper's trim of TIES: the largest |τ| of a whole model are kept, not of each tensor. */
import type { Engine } from "../../analysis/engine";
import type { CutParams, FloatType } from "../../engine/protocol";
import type { Operands } from "./kernels";

interface Noted {
  tensor: string;
  input: number;
  density: number;
  type: FloatType;
  /** Which of the operands is the model's. */
  position: number;
  operands(signal?: AbortSignal): Promise<Operands>;
}

export class WholeModelCuts {
  private readonly noted = new Map<string, Noted[]>();
  private readonly asked = new Map<string, Promise<number>>();

  constructor(private readonly engine: Engine | undefined) {}

  note(each: Noted): void {
    const key = keyOf(each.input, each.density, each.type);
    const all = this.noted.get(key);
    if (all === undefined) this.noted.set(key, [each]);
    else all.push(each);
  }

  /**
   * The cut of a model at a density; null where nothing is cut.
   * @throws Error when there is no engine to find it with.
   */
  async cut(input: number, density: number, type: FloatType, signal?: AbortSignal): Promise<number | null> {
    if (density >= 1 || density <= 0) return null;
    const key = keyOf(input, density, type);
    let asked = this.asked.get(key);
    if (asked === undefined) {
      asked = this.ask(this.noted.get(key) ?? [], density, type, signal);
      this.asked.set(key, asked);
      // A cancelled one is asked again.
      asked.catch(() => this.asked.delete(key));
    }
    return asked;
  }

  private async ask(tensors: readonly Noted[], density: number, dtype: FloatType, signal: AbortSignal | undefined): Promise<number> {
    if (this.engine === undefined) throw new Error("a trim over whole models needs the engine");
    const pairs: CutParams["tensors"] = [];
    for (const { operands, position } of tensors) {
      const { of, base } = await operands(signal);
      if (base !== null) pairs.push({ of: of[position]!, base });
    }
    const { cut } = await this.engine.request("cut", { tensors: pairs, dtype, density }, signal === undefined ? {} : { signal });
    return Number(cut);
  }
}

function keyOf(input: number, density: number, type: FloatType): string {
  return `${input} ${density} ${type}`;
}
