/** Robust weight signatures of really trained models against what NumPy computed from the same files. */
import assert from "node:assert/strict";
import { compareSignatures } from "../../src/analysis/signature/compare";
import { openSignature } from "../../src/analysis/signature/signature-file";
import { LocalFiles } from "../../src/checkpoint/file-source";
import { toNumber, type Numeric, type SignatureExtract } from "../../src/protocol/results";
import { Scratch } from "../files";
import { decodedValues } from "../robust/decoded";
import { readWeights } from "../robust/forward";
import { extract, signatureFile } from "../robust/signatures";
import { CORRUPTIONS, results } from "../robust/tables";
import { CountedEngine } from "../unit/analysis/engine";

const AGAIN = ["gaussian_noise-again", "defocus_blur-again", "fog-again"];

function close(actual: Numeric | null, expected: number, relative: number, what: string): void {
  assert.ok(actual !== null && Math.abs(toNumber(actual) - expected) <= relative * Math.abs(expected), `${what}: ${actual} is not ${expected}`);
}

describe("signatures of examples/robust", () => {
  const engine = new CountedEngine();
  const scratch = new Scratch();
  let made: SignatureExtract;
  before(async () => (made = await extract(engine, scratch.folder, [...CORRUPTIONS, ...AGAIN])));
  after(async () => {
    await engine.dispose();
    scratch.remove();
  });

  it("know the network's layers in forward order", () => {
    const units = [...results.units, results.tensors_outside_units];
    assert.deepEqual(made.units.map(({ tensors }) => [...tensors].sort()), units.map((names) => [...names].sort()));
  });

  it("have the coefficients, the energy removed, the norms and the values", () => {
    for (const [name, tensors] of Object.entries(results.golden.signatures)) {
      const at = made.robust.findIndex((file) => file.endsWith(`/${name}.safetensors`));
      const stored = readWeights(signatureFile(scratch.folder, name));
      for (const [tensor, { coefficient, energy_removed: removed, norm_rws: norm, first8 }] of Object.entries(tensors)) {
        const layer = made.layers.find((row) => row.name === tensor)!;
        close(layer.coefficients[at]!, coefficient, 1e-9, `coefficient of ${name} ${tensor}`);
        close(layer.removedByProjection[at]!, removed, 1e-9, `energy removed of ${name} ${tensor}`);
        const { data } = stored.get(tensor)!;
        close(Math.hypot(...data), norm, 1e-6, `norm of ${name} ${tensor}`);
        for (const [i, value] of first8.entries()) assert.ok(Math.abs(data[i]! - value) <= 2 ** -24 * Math.abs(value) + 1e-11, `${name} ${tensor}[${i}]: ${data[i]} is not ${value}`);
      }
    }
  });

  it("say where the robust models differ from the clean one", () => {
    for (const [name, tensors] of Object.entries(results.layerwise.models)) {
      const at = made.robust.findIndex((file) => file.endsWith(`/${name}.safetensors`));
      if (at < 0) continue;
      for (const [tensor, { diff_over_clean: relative, diff_over_clean_update: toUpdate }] of Object.entries(tensors)) {
        const { differences } = made.layers.find((row) => row.name === tensor)!;
        close(differences[at]!.relative, relative, 1e-8, `${name} ${tensor}`);
        close(differences[at]!.relativeToUpdate, toUpdate, 1e-8, `${name} ${tensor}`);
      }
    }
  });

  it("are alike as the table says, for every number of layers", async () => {
    const { names, by_k: byLayers } = results.cosine;
    const sources = new LocalFiles();
    for (const [k, expected] of Object.entries(byLayers)) {
      const folder = new Scratch();
      const other = new Scratch();
      const layers = k === "all" ? 6 : Number(k);
      await extract(engine, folder.folder, [...CORRUPTIONS, ...AGAIN], { layers });
      await extract(engine, other.folder, AGAIN, { layers, clean: "clean-again" });
      const files = names.map((name) => (name.endsWith("/own-clean") ? signatureFile(other.folder, name.replace("/own-clean", "")) : signatureFile(folder.folder, name)));
      const { cosine } = await compareSignatures(await Promise.all(files.map((file) => openSignature(file, sources))), { engine });
      for (const [i, row] of expected.entries()) for (const [j, value] of row.entries()) assert.ok(Math.abs(toNumber(cosine[i]![j]!) - value) < 1e-7, `${k}: ${names[i]} and ${names[j]}: ${cosine[i]![j]} is not ${value}`);
      folder.remove();
      other.remove();
    }
  });

  it("lose by quantisation what the table says", async () => {
    const whole = Object.fromEntries(CORRUPTIONS.map((name) => [name, readWeights(signatureFile(scratch.folder, name))]));
    const sources = new LocalFiles();
    const { k, rows } = results.quantised;
    for (const { corruption, scheme: name, levels, relative_error: expected } of rows.filter((row) => row.corruption === "fog" || row.corruption === "gaussian_noise")) {
      const folder = new Scratch();
      await extract(engine, folder.folder, [corruption], { layers: k, scheme: { name, levels } });
      const file = signatureFile(folder.folder, corruption);
      const signature = await openSignature(file, sources);
      let [lost, all] = [0, 0];
      for (const { name: tensor } of signature.tensors.values()) {
        const own = whole[corruption]!.get(tensor)!.data;
        const values = await decodedValues(signature, tensor, engine);
        for (const [i, value] of own.entries()) {
          lost += (values[i]! - value) ** 2;
          all += value ** 2;
        }
      }
      close(Math.sqrt(lost / all), expected, 1e-4, `${corruption}, ${name}, ${levels} levels`);
      folder.remove();
    }
  });
});
