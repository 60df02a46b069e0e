/** OSF: the smaller singular components of W are trained and take their place: ΔW = U·diag(S)·V − (those of W). */
import type { AdapterSource, FamilyAnswer } from "./adapter";
import { deltaOnBase } from "./base-model";
import { compute, fill, hadamard, product, ShapeMismatch, subtract, transpose } from "./build";
import { eachModule, weightFacts } from "./linear-layer";
import { needed } from "./peft-names";

const PARAMETERS = ["osf_svd_params.U_low", "osf_svd_params.S_low", "osf_svd_params.V_low"] as const;

/** U_low (rows, n), S_low (n), V_low (n, columns) replace the last n singular triplets of W as the base stores it. */
export async function osf(source: AdapterSource): Promise<FamilyAnswer> {
  return eachModule(source, PARAMETERS, async (module) => {
    const [u, s, v] = PARAMETERS.map((parameter) => needed(source, module, parameter));
    const [rows = 0, count = 0] = u!.shape;
    const columns = v!.shape[1] ?? 0;
    const all = Math.min(rows, columns);
    if (count > all) throw new ShapeMismatch(`${count} singular triplets are stored for a matrix that has ${all}`);
    const facts = { ...weightFacts(module, "OSF", all - count, 1), shape: [rows, columns] };
    if (count === 0) return { ...facts, delta: fill([rows, columns], 0) };
    const trained = product(hadamard(u!.expression, s!.expression), v!.expression);
    const delta = await deltaOnBase(source, facts.tensor, (weight) => {
      const left = compute({ name: "svd", factor: "u", start: all - count, stop: all }, weight);
      return subtract(trained, product(left, product(transpose(left), weight)));
    });
    return { ...facts, ...delta };
  });
}
