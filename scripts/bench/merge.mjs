// Merging three models of bf16: beside mergekit where $PYTHON has it, beside a plain copy of the same bytes, and how much memory it takes.
import { spawnSync } from "node:child_process";
import { closeSync, fsyncSync, mkdirSync, openSync, readSync, rmSync, writeFileSync, writeSync } from "node:fs";
import path from "node:path";

const MERGEKIT = "from mergekit.scripts.run_yaml import main; main()";

/**
 * What is merged, and how much faster than mergekit it has to be.
 * @type {{ name: string, goal: number, recipe: (models: string[]) => string }[]}
 */
const MERGES = [
  { name: "linear", goal: 5, recipe: ([a, b, c]) => recipe("linear", null, [[a, "weight: 0.5"], [b, "weight: 0.3"], [c, "weight: 0.2"]]) },
  { name: "slerp", goal: 5, recipe: ([a, b]) => recipe("slerp", a, [[b, ""]], "t: 0.4") },
  { name: "model_stock", goal: 4, recipe: ([a, b, c]) => recipe("model_stock", a, [[b, ""], [c, ""]]) },
  { name: "ties", goal: 10, recipe: ([a, b, c]) => recipe("ties", a, [[b, "weight: 0.6, density: 0.5"], [c, "weight: 0.4, density: 0.5"]]) },
  { name: "dare_ties", goal: 10, recipe: ([a, b, c]) => recipe("dare_ties", a, [[b, "weight: 0.6, density: 0.5"], [c, "weight: 0.4, density: 0.5"]]) },
];

/** @param {string} method @param {string | null | undefined} base @param {(string | undefined)[][]} models @param {string} [parameters] */
function recipe(method, base, models, parameters) {
  const listed = models.map(([model, own]) => `  - model: ${model}\n${own ? `    parameters: {${own}}\n` : ""}`).join("");
  return `merge_method: ${method}\n${base ? `base_model: ${base}\n` : ""}models:\n${listed}${parameters ? `parameters: {${parameters}}\n` : ""}dtype: bfloat16\n`;
}

/**
 * @param {{ scratch: string, quick: boolean }} options
 * @returns {Promise<{ what: string, measured: string, goal: string, met: boolean | null }[]>}
 */
export async function benchMerge({ scratch, quick }) {
  const folder = path.join(scratch, "merge");
  const { models, bytes } = makeModels(folder, quick ? 4 : 24);
  const python = process.env.PYTHON ?? "python3";
  const version = peerVersion(python);
  const size = `${(bytes / 1e9).toFixed(2)} GB`;
  /** @type {{ what: string, measured: string, goal: string, met: boolean | null }[]} */
  const rows = [];
  let memory = 0;
  for (const { name, goal, recipe } of MERGES) {
    console.error(`measuring: merge, ${name} …`);
    const file = path.join(folder, `${name}.yml`);
    writeFileSync(file, recipe(models));
    models.forEach(warm);
    const ours = best(quick ? 1 : 2, () => merge(file, path.join(folder, "ours")));
    memory = Math.max(memory, ours.memory);
    if (name === "linear") {
      const copied = Math.min(...[1, 2, 3].map(() => copy(models, path.join(folder, "copy"))));
      rows.push({ what: `linear merge of 3 models of ${size}, of a plain read and write of the same bytes`, measured: `${((100 * copied) / ours.own).toFixed(0)} % (${((4 * bytes) / 1e9 / ours.own).toFixed(1)} of ${((4 * bytes) / 1e9 / copied).toFixed(1)} GB/s)`, goal: "≥ 60 %", met: copied / ours.own >= 0.6 });
    }
    const peer = version === null ? null : mergekit(python, file, path.join(folder, "theirs"));
    rows.push({ what: `merge of ${name === "slerp" ? 2 : 3} models of ${size} by ${name}, against mergekit`, measured: peer === null ? `${ours.wall.toFixed(1)} s; mergekit cannot be imported` : `${(peer / ours.wall).toFixed(1)}× mergekit ${version} (${ours.wall.toFixed(1)} s, ${peer.toFixed(1)} s)`, goal: `≥ ${goal}×`, met: peer === null ? null : peer / ours.wall >= goal });
  }
  rows.push({ what: "anonymous memory of merging, at most", measured: `${(memory / 2 ** 20).toFixed(0)} MiB`, goal: "≤ 512 MiB", met: memory > 0 ? memory <= 512 * 2 ** 20 : null });
  return rows;
}

/** @param {number} rounds @param {() => { wall: number, own: number, memory: number }} run */
function best(rounds, run) {
  const runs = Array.from({ length: rounds }, run);
  return { wall: Math.min(...runs.map(({ wall }) => wall)), own: Math.min(...runs.map(({ own }) => own)), memory: Math.max(...runs.map(({ memory }) => memory)) };
}

/** The command as a user runs it: its wall-clock time, that of the writing alone, and its memory. @param {string} recipe @param {string} out */
function merge(recipe, out) {
  const begun = performance.now();
  const { stdout, status } = spawnSync(process.execPath, ["dist/cli.js", "merge", recipe, "-o", out, "--no-copy-tokenizer", "--no-write-model-card", "--json"], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  const wall = (performance.now() - begun) / 1000;
  if (status !== 0) throw new Error(`The merge of ${recipe} failed.`);
  const { seconds, peakMemoryBytes } = JSON.parse(stdout);
  rmSync(out, { recursive: true, force: true });
  return { wall, own: seconds, memory: peakMemoryBytes };
}

/** Seconds, the start of Python and of its libraries included. @param {string} python @param {string} recipe @param {string} out */
function mergekit(python, recipe, out) {
  const begun = performance.now();
  const { status } = spawnSync(python, ["-c", MERGEKIT, recipe, out, "--no-copy-tokenizer", "--no-write-model-card"], { stdio: "ignore", env: { ...process.env, HF_HUB_OFFLINE: "1" } });
  const seconds = (performance.now() - begun) / 1000;
  rmSync(out, { recursive: true, force: true });
  if (status !== 0) throw new Error(`mergekit failed on ${recipe}.`);
  return seconds;
}

/** @param {string} python */
function peerVersion(python) {
  const { stdout, status } = spawnSync(python, ["-c", "import mergekit.scripts.run_yaml, importlib.metadata as m; print(m.version('mergekit'))"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  return status === 0 ? stdout.trim() : null;
}

const BLOCK = 4 << 20;

/** Reads all models and writes as much as one of them, to disk. Seconds. @param {string[]} models @param {string} out */
function copy(models, out) {
  const begun = performance.now();
  const buffer = Buffer.alloc(BLOCK);
  const target = openSync(out, "w");
  models.forEach((model, i) => {
    const source = openSync(path.join(model, "model.safetensors"), "r");
    for (let read = readSync(source, buffer); read > 0; read = readSync(source, buffer)) if (i === 0) writeSync(target, buffer, 0, read);
    closeSync(source);
  });
  fsyncSync(target);
  closeSync(target);
  const seconds = (performance.now() - begun) / 1000;
  rmSync(out);
  return seconds;
}

/** @param {string} model */
function warm(model) {
  const buffer = Buffer.alloc(BLOCK);
  const file = openSync(path.join(model, "model.safetensors"), "r");
  while (readSync(file, buffer) > 0);
  closeSync(file);
}

const HIDDEN = 1024;
const INTERMEDIATE = 2816;
const VOCABULARY = 32000;

/** Three Llamas of one shape: a base, and two with a change of a tenth of it. @param {string} folder @param {number} layers */
function makeModels(folder, layers) {
  const square = [HIDDEN, HIDDEN];
  /** @type {[string, number[]][]} */
  const tensors = [["lm_head.weight", [VOCABULARY, HIDDEN]], ["model.embed_tokens.weight", [VOCABULARY, HIDDEN]], ["model.norm.weight", [HIDDEN]]];
  for (let layer = 0; layer < layers; layer++) {
    const prefix = `model.layers.${layer}.`;
    for (const part of ["q", "k", "v", "o"]) tensors.push([`${prefix}self_attn.${part}_proj.weight`, square]);
    for (const part of ["gate", "up"]) tensors.push([`${prefix}mlp.${part}_proj.weight`, [INTERMEDIATE, HIDDEN]]);
    tensors.push([`${prefix}mlp.down_proj.weight`, [HIDDEN, INTERMEDIATE]], [`${prefix}input_layernorm.weight`, [HIDDEN]], [`${prefix}post_attention_layernorm.weight`, [HIDDEN]]);
  }
  let end = 0;
  const header = Object.fromEntries(tensors.map(([name, shape]) => {
    const begin = end;
    end += 2 * shape.reduce((product, axis) => product * axis, 1);
    return [name, { dtype: "BF16", shape, data_offsets: [begin, end] }];
  }));
  const config = {
    architectures: ["LlamaForCausalLM"], model_type: "llama", hidden_size: HIDDEN, intermediate_size: INTERMEDIATE, num_hidden_layers: layers, num_attention_heads: 16,
    num_key_value_heads: 16, vocab_size: VOCABULARY, rms_norm_eps: 1e-5, tie_word_embeddings: false, torch_dtype: "bfloat16", max_position_embeddings: 2048,
  };
  const json = Buffer.from(JSON.stringify({ __metadata__: { format: "pt" }, ...header }));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const base = normals(1, 0.05);
  const models = [base, changed(base, 2), changed(base, 3)].map((values, i) => {
    const model = path.join(folder, `model-${i}`);
    mkdirSync(model, { recursive: true });
    writeFileSync(path.join(model, "config.json"), JSON.stringify(config));
    const file = openSync(path.join(model, "model.safetensors"), "w");
    writeSync(file, length);
    writeSync(file, json);
    const block = bfloat16(values);
    for (let at = 0; at < end; at += block.length) writeSync(file, block, 0, Math.min(block.length, end - at));
    closeSync(file);
    return model;
  });
  return { models, bytes: end };
}

/** Elements that are drawn; a model repeats them. */
const DRAWN = 1 << 22;

/** @param {number} seed @param {number} deviation */
function normals(seed, deviation) {
  const out = new Float32Array(DRAWN);
  let state = seed;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 1) / 2 ** 32;
  };
  for (let i = 0; i < DRAWN; i++) out[i] = deviation * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  return out;
}

/** @param {Float32Array} base @param {number} seed */
function changed(base, seed) {
  const change = normals(seed, 0.005);
  return base.map((value, i) => value + (change[i] ?? 0));
}

/** Rounded to the nearest. @param {Float32Array} values */
function bfloat16(values) {
  const bits = new Uint32Array(values.buffer);
  return Buffer.from(Uint16Array.from(bits, (word) => (word + 0x8000) >>> 16).buffer);
}
