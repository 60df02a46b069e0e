/** Layers counted as Robust Weight Signatures counts them, over the names that model families publish. */
import assert from "node:assert/strict";
import { layerUnits } from "../../../src/analysis/signature/units";

function tensors(shapes: Record<string, number[]>): { name: string; shape: number[] }[] {
  return Object.entries(shapes).map(([name, shape]) => ({ name, shape }));
}

/** A convolution or linear layer with its bias. */
function layer(module: string, out: number, into: number, kernel?: number): Record<string, number[]> {
  return { [`${module}.bias`]: [out], [`${module}.weight`]: kernel === undefined ? [out, into] : [out, into, kernel, kernel] };
}

function norm(module: string, length: number): Record<string, number[]> {
  return { [`${module}.bias`]: [length], [`${module}.weight`]: [length] };
}

/** In the order of their names, as the safetensors library writes them. */
function sorted(shapes: Record<string, number[]>): { name: string; shape: number[] }[] {
  return tensors(shapes).sort((a, b) => (a.name < b.name ? -1 : 1));
}

const VGG16 = [3, 64, 64, -1, 128, 128, -1, 256, 256, 256, -1, 512, 512, 512, -1, 512, 512, 512];

function vgg16(): { name: string; shape: number[] }[] {
  const shapes: Record<string, number[]> = {};
  let at = 0;
  let into = VGG16[0]!;
  for (const out of VGG16.slice(1)) {
    if (out > 0) {
      Object.assign(shapes, layer(`features.${at}`, out, into, 3));
      at += 2;
      into = out;
    } else at++;
  }
  return sorted({ ...shapes, ...layer("classifier.0", 4096, 25088), ...layer("classifier.3", 4096, 4096), ...layer("classifier.6", 1000, 4096) });
}

describe("layers in forward order", () => {
  it("counts VGG16's convolutions: the first seven have 1,735,488 of 14,714,688 parameters", () => {
    const all = vgg16();
    const units = layerUnits(all, false);
    const parameters = (names: readonly string[]): number => all.filter(({ name }) => names.includes(name)).reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    assert.equal(units.length, 16);
    assert.deepEqual(units.slice(0, 7).map(({ name }) => name), [0, 2, 5, 7, 10, 12, 14].map((i) => `features.${i}`));
    // The published arithmetic, of convolutions with their biases.
    assert.equal(parameters(units.slice(0, 7).flatMap((unit) => unit.tensors)), 1_735_488);
    assert.equal(parameters(units.slice(0, 13).flatMap((unit) => unit.tensors)), 14_714_688);
    assert.deepEqual(units.slice(13).map(({ name }) => name), ["classifier.0", "classifier.3", "classifier.6"]);
  });

  it("counts ResNet's stem as one and each bottleneck as one", () => {
    const bottleneck = (path: string): Record<string, number[]> => ({
      ...layer(`${path}.conv1`, 64, 64, 1), ...norm(`${path}.bn1`, 64), ...layer(`${path}.conv2`, 64, 64, 3), ...norm(`${path}.bn2`, 64), ...layer(`${path}.conv3`, 256, 64, 1), ...norm(`${path}.bn3`, 256),
    });
    const units = layerUnits(
      sorted({
        ...layer("conv1", 64, 3, 7), ...norm("bn1", 64), ...bottleneck("layer1.0"), ...layer("layer1.0.downsample.0", 256, 64, 1), ...norm("layer1.0.downsample.1", 256),
        ...bottleneck("layer1.10"), ...bottleneck("layer1.2"), ...bottleneck("layer2.0"), ...layer("fc", 1000, 2048),
      }),
      false,
    );
    assert.deepEqual(units.map(({ name }) => name), ["stem", "layer1.0", "layer1.2", "layer1.10", "layer2.0", "fc"]);
    assert.deepEqual([...units[0]!.tensors].sort(), ["bn1.bias", "bn1.weight", "conv1.bias", "conv1.weight"]);
    assert.equal(units[1]!.tensors.length, 16);
  });

  it("counts the blocks of stages, not the stages", () => {
    const units = layerUnits(
      sorted({ ...layer("swin.embeddings.patch_embeddings.projection", 96, 3, 4), ...layer("swin.encoder.layers.0.blocks.0.attention", 96, 96), ...layer("swin.encoder.layers.0.blocks.1.attention", 96, 96), ...layer("swin.encoder.layers.1.blocks.0.attention", 192, 192), ...norm("swin.layernorm", 192), ...layer("classifier", 10, 192) }),
      false,
    );
    assert.deepEqual(units.map(({ name }) => name), ["stem", "swin.encoder.layers.0.blocks.0", "swin.encoder.layers.0.blocks.1", "swin.encoder.layers.1.blocks.0", "classifier"]);
    assert.ok(units.at(-1)!.tensors.includes("swin.layernorm.weight"));
  });

  it("counts a transformer's embeddings as one and each of its blocks as one", () => {
    const units = layerUnits(
      sorted({ "lm_head.weight": [100, 8], "model.embed_tokens.weight": [100, 8], "model.layers.10.mlp.up_proj.weight": [16, 8], "model.layers.2.mlp.up_proj.weight": [16, 8], "model.layers.2.input_layernorm.weight": [8], "model.norm.weight": [8] }),
      false,
    );
    assert.deepEqual(units, [
      { name: "stem", tensors: ["model.embed_tokens.weight"] },
      { name: "model.layers.2", tensors: ["model.layers.2.input_layernorm.weight", "model.layers.2.mlp.up_proj.weight"] },
      { name: "model.layers.10", tensors: ["model.layers.10.mlp.up_proj.weight"] },
      { name: "lm_head", tensors: ["lm_head.weight", "model.norm.weight"] },
    ]);
    const t5 = layerUnits(sorted({ "shared.weight": [100, 8], "decoder.block.0.layer.0.SelfAttention.q.weight": [8, 8], "encoder.block.0.layer.0.SelfAttention.q.weight": [8, 8], "encoder.block.0.layer.1.DenseReluDense.wi.weight": [8, 8] }), false);
    assert.deepEqual(t5.map(({ name }) => name), ["stem", "encoder.block.0", "decoder.block.0"]);
  });

  it("joins a norm to the layer of its number, or to the one before it", () => {
    const numbered = layerUnits(sorted({ ...layer("conv1", 12, 1, 3), ...layer("conv2", 16, 12, 3), ...layer("fc1", 16, 20), ...norm("ln1", 16), ...layer("fc2", 12, 16), ...norm("norm1", 12), ...norm("norm2", 16), ...layer("head", 10, 12) }), false);
    assert.deepEqual(numbered.map(({ name, tensors: [, ...rest] }) => [name, ...rest]), [
      ["conv1", "conv1.bias", "norm1.bias", "norm1.weight"],
      ["conv2", "conv2.bias", "norm2.bias", "norm2.weight"],
      ["fc1", "fc1.bias", "ln1.bias", "ln1.weight"],
      ["fc2", "fc2.bias"],
      ["head", "head.bias"],
    ]);
    const sequential = layerUnits(sorted({ ...layer("0", 8, 3, 3), ...norm("1", 8), ...layer("3", 8, 8, 3), ...norm("4", 8), ...layer("12", 10, 8) }), false);
    assert.deepEqual(sequential.map(({ name, tensors: names }) => [name, names.length]), [["0", 4], ["3", 4], ["12", 2]]);
  });

  it("keeps the order of files that have the forward one", () => {
    const units = layerUnits(tensors({ ...layer("second", 8, 8), ...layer("first", 8, 8) }), true);
    assert.deepEqual(units.map(({ name }) => name), ["second", "first"]);
  });

  it("puts every tensor into exactly one unit", () => {
    const all = [...vgg16(), ...sorted({ loose: [3], "a.scale": [], "layers_3/mlp/kernel": [4, 4], "x.y.z": [1, 1] })];
    assert.deepEqual(layerUnits(all, false).flatMap(({ tensors: names }) => names).sort(), all.map(({ name }) => name).sort());
    assert.deepEqual(layerUnits([], false), []);
  });
});
