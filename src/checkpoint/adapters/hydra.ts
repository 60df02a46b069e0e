/**
 * Hydra: a parallel and a sequential low-rank branch on a projection, with biases:
 * W' = W + s·(Bp·Ap + Bs·As·W), b' = b + s·(Bp·ap + bp + Bs·As·b + Bs·as + bs). Keys as github.com/extremebird/Hydra saves
 * them, alone or among the model's own; its merge of the attention branch into `mlp.fc2` is not followed.
 */
import type { Expression } from "../../engine/protocol";
import type { Checkpoint } from "../checkpoint";
import type { AdapterModule, AdapterSource, FamilyAnswer } from "./adapter";
import { BaseModel, deltaOnBase } from "./base-model";
import { add, product, reshape, scale, shapeOf } from "./build";
import { inModule, modulesWith, needed, numberSetting, type PeftModule } from "./peft-names";

const KEY = /(?:^|\.)hydra_(?:mlp|proj)_(?:par|seq)\.(?:down|up)_proj\.weight$/;

/** Branch → the projection it belongs to, as vision transformers name it. */
const TARGETS = new Map([["hydra_mlp", "fc2"], ["hydra_proj", "proj"]]);

const PARTS = ["down_proj.weight", "down_proj.bias", "up_proj.weight", "up_proj.bias"];

export function isHydra({ tensors }: Checkpoint): boolean {
  return tensors.some(({ name }) => KEY.test(name));
}

/** Scale and rank are settings of the training; the authors' scale is 1 where no `hydra_config.json` says otherwise. */
export async function hydra(source: AdapterSource): Promise<FamilyAnswer> {
  const own = source.base ?? new BaseModel([source.checkpoint]);
  const modules: AdapterModule[] = [];
  for (const branch of ["hydra_mlp", "hydra_proj"]) {
    const parameters = ["par", "seq"].flatMap((side) => PARTS.map((part) => `${branch}_${side}.${part}`));
    for (const group of modulesWith(source, parameters)) {
      const module = `${group.module}.${TARGETS.get(branch)!}`;
      // A whole state dict brings the base's weights with it.
      const based = own.find(`${module}.weight`) === undefined ? source : { ...source, base: own };
      modules.push(...(await inModule(source, group.path, () => layer(based, group, branch, module))));
    }
  }
  return modules;
}

/** One branch: A (r, in), a (r), B (out, r), b (out). */
interface Branch {
  a: Expression;
  b: Expression;
  /** B·a + b as a column (out, 1). */
  shift: Expression;
}

async function layer(source: AdapterSource, group: PeftModule, name: string, module: string): Promise<AdapterModule[]> {
  const s = numberSetting(source, "scale", 1);
  const [parallel, sequential] = [branchOf(source, group, `${name}_par`), branchOf(source, group, `${name}_seq`)];
  const rank = [parallel, sequential].reduce((most, branch) => Math.max(most, branch === undefined ? 0 : shapeOf(branch.a)[0]!), 0);
  const factors = [...group.factors.values()].map(({ index }) => index);
  const out = shapeOf((parallel ?? sequential)!.b)[0]!;
  const common = { module, type: "HYDRA", rank, scale: s, factors };
  const sum = (...terms: (Expression | undefined)[]): Expression => terms.filter((term) => term !== undefined).reduce(add);

  const update = parallel === undefined ? undefined : product(parallel.b, parallel.a);
  const shift = sum(parallel?.shift, sequential?.shift);
  const through = (of: Expression): Expression | undefined => (sequential === undefined ? undefined : product(sequential.b, product(sequential.a, of)));
  const tensors = { weight: `${module}.weight`, bias: `${module}.bias` };
  const weightShape = update === undefined ? (source.base?.find(tensors.weight)?.shape ?? []) : shapeOf(update);
  if (sequential === undefined) {
    return [
      { ...common, tensor: tensors.weight, shape: weightShape, delta: scale(update!, s) },
      { ...common, tensor: tensors.bias, shape: [out], delta: scale(reshape(shift, [out]), s) },
    ];
  }
  return [
    { ...common, tensor: tensors.weight, shape: weightShape, ...(await deltaOnBase(source, tensors.weight, (weight) => scale(sum(update, through(weight)), s))) },
    { ...common, tensor: tensors.bias, shape: [out], ...(await deltaOnBase(source, tensors.bias, (bias) => scale(reshape(sum(shift, through(reshape(bias, [out, 1]))), [out]), s))) },
  ];
}

function branchOf(source: AdapterSource, group: PeftModule, name: string): Branch | undefined {
  if (!PARTS.some((part) => group.factors.has(`${name}.${part}`))) return undefined;
  const [a, ownA, b, ownB] = PARTS.map((part) => needed(source, group, `${name}.${part}`).expression) as [Expression, Expression, Expression, Expression];
  const column = (of: Expression): Expression => reshape(of, [shapeOf(of)[0] ?? 0, 1]);
  return { a, b, shift: add(product(b, column(ownA)), column(ownB)) };
}
