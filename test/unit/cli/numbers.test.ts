/** `inspect` on really trained models, against numbers that NumPy computed in float64. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { InspectDocument, TensorDocument } from "../../../src/cli/inspect";
import { toNumber, type How, type Numeric } from "../../../src/protocol/results";
import { fixtures } from "../../files";
import { json } from "./command-line";

interface Expected {
  model: string;
  bytes: number;
  header_bytes: number;
  parameters: number;
  metadata: Record<string, string>;
  tensors: Record<string, {
    dtype: string;
    shape: number[];
    offsets: [number, number];
    stats: Record<"min" | "max" | "mean" | "std" | "l2" | "absmax" | "zeros" | "nonfinite", number>;
    spectrum?: {
      matrix: [number, number];
      sigma_top: number[];
      sigma_count: number;
      sigma_min: number;
      stable_rank: number;
      effective_rank: number;
      energy_rank: Record<"0.9" | "0.95" | "0.99", number>;
    };
  }>;
}

function close(actual: Numeric, expected: number, relative: number, what: string, scale = Math.abs(expected)): void {
  const difference = Math.abs(toNumber(actual) - expected);
  assert.ok(difference <= relative * scale, `${what}: ${actual} is not ${expected}`);
}

function explained(how: How): void {
  assert.equal(how.exact, true);
  assert.equal(how.backend, "cpu");
  assert.ok(how.threads >= 1 && how.method !== "" && how.precision !== "");
}

for (const name of ["silero-vad", "robust-base", "tiny-llama-1200"]) {
  describe(`inspect ${name}`, () => {
    const expected = JSON.parse(readFileSync(join(fixtures, "expected", `${name}.json`), "utf8")) as Expected;
    let document: InspectDocument;
    before(async () => (document = await json(["inspect", expected.model, "--stats", "--spectrum"])));
    const each = (check: (tensor: TensorDocument, expected: Expected["tensors"][string]) => void): void => {
      for (const tensor of document.tensors) check(tensor, expected.tensors[tensor.name]!);
    };

    it("lists what the header says", () => {
      assert.equal(document.format, "safetensors");
      assert.deepEqual(document.files, [{ path: expected.model, bytes: expected.bytes }]);
      assert.equal(document.parameters, expected.parameters);
      assert.deepEqual(document.metadata, expected.metadata);
      const inFile = Object.entries(expected.tensors).sort(([, a], [, b]) => a.offsets[0] - b.offsets[0]);
      assert.deepEqual([...document.tensors].sort((a, b) => a.offset! - b.offset!).map(({ name }) => name), inFile.map(([name]) => name));
      each((tensor, { dtype, shape, offsets: [begin, end] }) => {
        assert.deepEqual([tensor.dtype, tensor.shape, tensor.bytes, tensor.file], [dtype, shape, end - begin, expected.model]);
        assert.equal(tensor.offset, document.files[0]!.bytes - Math.max(...Object.values(expected.tensors).map(({ offsets }) => offsets[1])) + begin);
      });
    });

    it("computes statistics as NumPy does", () => {
      each(({ name, statistics, parameters }, { stats }) => {
        assert.ok(statistics !== undefined, name);
        explained(statistics.how);
        assert.equal(statistics.count, parameters);
        assert.equal(statistics.finite, parameters - stats.nonfinite);
        assert.equal(statistics.zeros, stats.zeros);
        assert.deepEqual([statistics.min, statistics.max, statistics.maxAbs], [stats.min, stats.max, stats.absmax], name);
        close(statistics.mean, stats.mean, 1e-6, `${name} mean`, Math.max(Math.abs(stats.mean), stats.std * 1e-6));
        close(statistics.standardDeviation, stats.std, 1e-6, `${name} standard deviation`);
        close(statistics.l2, stats.l2, 1e-6, `${name} l2`);
        close(statistics.rms, stats.l2 / Math.sqrt(parameters), 1e-6, `${name} rms`);
      });
    });

    it("computes spectra as NumPy does", () => {
      each(({ name, spectrum }, { spectrum: numpy }) => {
        if (numpy === undefined) {
          assert.equal(spectrum, undefined, `${name} is a vector`);
          return;
        }
        assert.ok(spectrum !== undefined, name);
        explained(spectrum.how);
        assert.deepEqual([spectrum.rows, spectrum.columns], numpy.matrix);
        assert.equal(spectrum.singularValues.length, numpy.sigma_count);
        const largest = numpy.sigma_top[0]!;
        numpy.sigma_top.forEach((sigma, i) => close(spectrum.singularValues[i]!, sigma, 1e-9, `${name} σ${i + 1}`, largest));
        close(spectrum.singularValues.at(-1)!, numpy.sigma_min, 1e-9, `${name} smallest σ`, largest);
        close(spectrum.spectralNorm, largest, 1e-9, `${name} spectral norm`);
        close(spectrum.stableRank, numpy.stable_rank, 1e-9, `${name} stable rank`);
        close(spectrum.effectiveRank, numpy.effective_rank, 1e-6, `${name} effective rank`);
        assert.deepEqual(spectrum.energyRank, numpy.energy_rank, name);
      });
    });
  });
}

describe("inspect --spectrum=MODE", () => {
  const expected = JSON.parse(readFileSync(join(fixtures, "expected", "silero-vad.json"), "utf8")) as Expected;
  const sigma = expected.tensors["lstm_cell.weight_hh"]!.spectrum!.sigma_top;
  const spectrum = async (mode: string): Promise<NonNullable<TensorDocument["spectrum"]>> => {
    const { tensors } = await json<InspectDocument>(["inspect", expected.model, "--tensor", "lstm_cell.weight_hh", `--spectrum=${mode}`]);
    assert.equal(tensors.length, 1);
    return tensors[0]!.spectrum!;
  };

  it("fast computes all values in single precision", async () => {
    const { singularValues, how } = await spectrum("fast");
    assert.equal(singularValues.length, 128);
    sigma.forEach((value, i) => close(singularValues[i]!, value, 2e-5, `σ${i + 1}`, sigma[0]));
    assert.equal(how.precision, "f32");
  });

  it("top:K computes the K largest", async () => {
    const { singularValues } = await spectrum("top:5");
    assert.equal(singularValues.length, 5);
    singularValues.forEach((value, i) => close(value, sigma[i]!, 1e-5, `σ${i + 1}`));
  });
});
