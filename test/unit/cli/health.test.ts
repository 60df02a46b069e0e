/** `inspect --health` on models whose state is known. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { InspectDocument } from "../../../src/cli/inspect";
import { fixtures } from "../../files";
import { json, weightLoupe } from "./command-line";

const health = (file: string, ...options: string[]): Promise<InspectDocument> => json<InspectDocument>(["inspect", file, "--health", ...options]);

describe("inspect --health", () => {
  const expected = JSON.parse(readFileSync(join(fixtures, "expected", "diverged.json"), "utf8")) as {
    checkpoints: Record<string, { tensors: number; tensors_with_nonfinite: number; largest_finite: number | null }>;
  };

  for (const model of [
    "examples/tiny-llama/checkpoint-100",
    "examples/tiny-llama/checkpoint-1200",
    "examples/tiny-llama-sharded",
    "examples/robust/base.safetensors",
    "examples/robust/clean.safetensors",
    "examples/robust/fog.safetensors",
    "examples/silero-vad/silero_vad_16k.safetensors",
    "examples/adapter/adapter_model.safetensors",
  ]) {
    it(`is quiet about ${model}`, async () => {
      const { findings } = await health(model, "--spectrum");
      assert.deepEqual(findings.filter(({ severity }) => severity !== "info"), []);
    });
  }

  it("finds every tensor with NaN", async () => {
    const { findings, tensors } = await health("examples/diverged/checkpoint-450");
    assert.equal(tensors.length, expected.checkpoints["450"]!.tensors);
    const bad = findings.filter(({ rule, severity }) => rule === "nan" && severity === "error");
    assert.equal(bad.length, expected.checkpoints["450"]!.tensors_with_nonfinite);
    assert.deepEqual(bad.map(({ tensor }) => tensor), tensors.map(({ name }) => name));
    assert.ok(tensors.every(({ statistics }) => statistics === undefined), "statistics were not asked for");
  });

  it("finds a run that is about to break while all is finite", async () => {
    assert.equal(expected.checkpoints["375"]!.tensors_with_nonfinite, 0);
    const { findings } = await health("examples/diverged/checkpoint-375");
    const rules = new Set(findings.filter(({ severity }) => severity === "warning").map(({ rule }) => rule));
    for (const rule of ["exploded", "norm-outlier", "row-outlier"]) assert.ok(rules.has(rule), rule);
    assert.deepEqual(findings.map(({ severity }) => severity), [...findings.map(({ severity }) => severity)].sort((a, b) => ["error", "warning", "info"].indexOf(a) - ["error", "warning", "info"].indexOf(b)));
  });

  it("knows the short-time Fourier transform's two rows of zeros for a note", async () => {
    const { findings } = await health("examples/silero-vad/silero_vad_16k.safetensors", "--tensor", "stft_conv.weight");
    assert.deepEqual(findings.map(({ rule, severity, tensor }) => [rule, severity, tensor]), [
      ["dead-rows", "info", "stft_conv.weight"],
      ["dead-columns", "info", "stft_conv.weight"],
    ]);
    assert.match(findings[0]!.message, /^2 of 258 rows are all zero/);
  });

  it("speaks of the selected tensors only", async () => {
    const { findings } = await health("examples/diverged/checkpoint-450", "--tensor", "model.norm.weight");
    assert.deepEqual(findings.map(({ tensor }) => tensor), ["model.norm.weight"]);
  });

  it("shows people the worst of each rule, and how many more there are", async () => {
    const { stdout } = await weightLoupe(["inspect", "examples/diverged/checkpoint-450", "--health"]);
    assert.match(stdout, /\n20 findings\n {2}error {2}model\.embed_tokens\.weight: 2,304 of 2,304 elements are NaN\. \[nan\]\n/);
    assert.match(stdout, / {2}error {2}and 11 more; --json lists them all \[nan\]\n$/);
  });
});
