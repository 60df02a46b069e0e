/** Damaged adapters of every type: they read as something consistent, or are refused with a sentence. */
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { bracketed, shapeOf } from "../../src/checkpoint/adapters/build";
import { readAdapter } from "../../src/checkpoint/adapters/read-adapter";
import { CheckpointError, type Checkpoint } from "../../src/checkpoint/checkpoint";
import { safetensors } from "../../src/checkpoint/safetensors";
import type { Expression } from "../../src/engine/protocol";
import { baseModel, storedAdapter, type StoredAdapter, type StoredTensor } from "../altered-adapters";
import { fixtures, safetensorsBytes } from "../files";
import { MemoryFiles } from "./memory-files";
import { Random } from "./mutate";

const folder = join(fixtures, "adapters");
const names = readdirSync(folder).filter((name) => existsSync(join(folder, name, "adapter_model.safetensors")));

const SETTINGS: readonly unknown[] = [null, true, false, "", "x", "(", -1, 0, 1, 0.5, 3, 1e308, 2 ** 53, [], ["x"], {}, { "(": 1 }, { ".*": 0 }, { ".*": "x" }, "a".repeat(5000)];
const SHAPES = [1, 2, 3, 4, 5, 8, 16];

/** Another shape over as many elements, or of none. */
function reshaped({ shape }: StoredTensor, random: Random): number[] {
  const count = shape.reduce((product, length) => product * length, 1);
  const reversed = [...shape].reverse();
  const divisor = random.of(SHAPES.filter((length) => count % length === 0));
  return random.of([reversed, [count], [1, ...shape], [...shape, 1], [divisor, count / divisor], [count / divisor, divisor], [divisor, 1, count / divisor]]);
}

function damaged(stored: StoredAdapter, random: Random): StoredAdapter {
  const tensors = [...stored.tensors];
  const config = { ...stored.config };
  for (let n = 1 + random.below(3); n > 0 && tensors.length > 0; n--) {
    const at = random.below(tensors.length);
    const tensor = tensors[at]!;
    switch (random.below(9)) {
      case 0: tensors.splice(at, 1); break;
      case 1: tensors[at] = { ...tensor, shape: reshaped(tensor, random) }; break;
      case 2: tensors[at] = { ...tensor, shape: [...tensor.shape.slice(0, -1), 0], data: new Uint8Array(0) }; break;
      case 3: tensors[at] = { ...tensor, shape: [], data: tensor.data.subarray(0, tensor.data.length / Math.max(1, tensor.shape.reduce((product, length) => product * length, 1))) }; break;
      case 4: tensors[at] = { ...tensor, name: tensor.name.replace(/\.[^.]+(?=\.[^.]+$)/, random.of([".", ".__proto__", ".0", ""])) }; break;
      case 5: tensors[at] = { ...tensor, dtype: tensor.dtype === "F32" ? random.of(["I32", "U32"]) : tensor.dtype }; break;
      case 6: {
        const other = random.of(tensors);
        tensors[at] = { ...tensor, dtype: other.dtype, shape: other.shape, data: other.data };
        break;
      }
      default: {
        const key = random.of(Object.keys(config).filter((name) => name !== "peft_type"));
        const value = random.of([...SETTINGS, undefined]);
        if (value === undefined) Reflect.deleteProperty(config, key);
        else config[key] = value;
      }
    }
  }
  // Names are to stay apart: twice the same is the container's matter.
  return { config, tensors: [...new Map(tensors.map((tensor) => [tensor.name, tensor])).values()] };
}

/** Numbers are finite (JSON has no others), and there are not more of them than an adapter needs. */
function assertSound(delta: Expression, name: string): void {
  let nodes = 0;
  const walk = (value: unknown): void => {
    assert.ok(++nodes < 200_000, `${name}: an update of very many parts`);
    if (typeof value === "number") assert.ok(Number.isFinite(value), `${name}: ${value} in an update`);
    else if (typeof value === "object" && value !== null) Object.values(value).forEach(walk);
  };
  walk(delta);
}

async function readDamaged({ config, tensors }: StoredAdapter, base: Checkpoint | undefined, label: string): Promise<boolean> {
  let at = 0;
  const header = Object.fromEntries(tensors.map(({ name, dtype, shape, data }) => [name, { dtype, shape, data_offsets: [at, (at += data.length)] }]));
  const path = "/adapter/adapter_model.safetensors";
  const files = new MemoryFiles(new Map([
    [path, safetensorsBytes(header, Buffer.concat(tensors.map(({ data }) => data)))],
    ["/adapter/adapter_config.json", Buffer.from(JSON.stringify(config))],
  ]));
  try {
    const adapter = await readAdapter(await safetensors.open(path, files), files, base === undefined ? {} : { base });
    for (const { tensor, delta, shape, refused, needsBase, factors } of adapter?.modules ?? []) {
      if (delta === null) assert.ok(refused !== undefined || needsBase === true, `${label}: ${tensor} has neither an update nor a reason`);
      else {
        assert.equal(bracketed(shapeOf(delta)), bracketed(shape), `${label}: ${tensor}`);
        assertSound(delta, label);
      }
      for (const index of factors) assert.ok(index >= 0 && index < tensors.length, label);
    }
    return true;
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw new Error(`${label}: ${String(error)}`, { cause: error });
    assert.match(error.message, /^\S.*\S$/s, label);
    return false;
  }
}

describe("damaged adapters", () => {
  for (const [which, name] of names.entries()) {
    it(name, async () => {
      const stored = storedAdapter(name);
      const base = await baseModel(name);
      assert.ok(await readDamaged(stored, base, `${name} as it is`));
      for (let run = 0; run < 60; run++) {
        const seed = which * 1000 + run;
        const random = new Random(seed);
        await readDamaged(damaged(stored, random), random.below(3) === 0 ? undefined : base, `${name}, seed ${seed}`);
      }
    });
  }
});
