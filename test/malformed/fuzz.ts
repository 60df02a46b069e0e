/**
 * Mutates the reference files for a while and opens the results. `npm run fuzz -- [--seconds N] [--seed S] [--format F]`; a failure is
 * written to `out/fuzz/` and its seed printed, with which it comes again.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { fixtures, root } from "../files";
import { formatOf } from "../../src/checkpoint/registry";
import { openOrRefuse } from "./consistency";
import { mutate, Random } from "./mutate";

/** More time of a processor than any of these small files may take. */
const HANG_MS = 5000;
/** Buffers of all files, of what a reader keeps of one, and of what waits to be collected. */
const MOST_BYTES = 256 << 20;

const { values } = parseArgs({ options: { seconds: { type: "string", default: "60" }, seed: { type: "string" }, format: { type: "string" } } });
const firstSeed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed);

interface Model {
  entry: string;
  files: Map<string, Uint8Array>;
}

/** Reference files by format; a folder in a format's folder holds one model of several files. HDF5 is read by a library in a thread of its own and tested on files. */
const FORMATS = ["safetensors", "torch", "gguf", "numpy", "msgpack", "onnx"].filter((format) => values.format === undefined || values.format === format);
const models = new Map(FORMATS.map((format) => [format, modelsIn(join(fixtures, format))]));

function modelsIn(folder: string): Model[] {
  const names = readdirSync(folder, { withFileTypes: true }).filter(({ name }) => !/\.expect\.json$|^README|^origin\.json$|globals\.json$/.test(name));
  return names.flatMap((entry): Model[] => {
    const path = join(folder, entry.name);
    if (!entry.isDirectory()) return formatOf(path) === undefined ? [] : [{ entry: join("/m", entry.name), files: new Map([[join("/m", entry.name), read(path)]]) }];
    const files = new Map(readdirSync(path).filter((name) => !name.endsWith(".expect.json")).map((name) => [join("/m", name), read(join(path, name))]));
    const index = [...files.keys()].find((name) => name.endsWith(".index.json")) ?? [...files.keys()].sort().find((name) => formatOf(name) !== undefined && !/weights\.bin$/.test(name));
    return index === undefined ? [] : [{ entry: index, files }];
  });
}

function read(path: string): Uint8Array {
  return new Uint8Array(readFileSync(path));
}

async function main(): Promise<number> {
  const seconds = Number(values.seconds);
  if (!Number.isFinite(seconds) || !Number.isSafeInteger(firstSeed)) {
    console.error("usage: npm run fuzz -- [--seconds N] [--seed S] [--format F]");
    return 2;
  }
  console.log(`seed ${firstSeed}`);
  const end = performance.now() + seconds * 1000;
  let opened = 0;
  let refused = 0;
  for (let seed = firstSeed; performance.now() < end; seed++) {
    const random = new Random(seed);
    const format = random.of(FORMATS);
    const { entry, files } = random.of(models.get(format)!);
    const victim = random.of([...files.keys()]);
    const bytes = mutate(files.get(victim)!, random);
    const before = process.cpuUsage();
    try {
      if ((await openOrRefuse(entry, new Map(files).set(victim, bytes))) === null) refused++;
      else opened++;
      const { arrayBuffers } = process.memoryUsage();
      if (arrayBuffers > MOST_BYTES) throw new Error(`it left ${arrayBuffers} bytes of buffers`);
      const used = process.cpuUsage(before);
      if ((used.user + used.system) / 1000 > HANG_MS) throw new Error(`it took ${Math.round((used.user + used.system) / 1000)} ms`);
    } catch (error) {
      const out = join(root, "out", "fuzz");
      mkdirSync(out, { recursive: true });
      const file = join(out, `${seed}-${victim.split("/").at(-1)!}`);
      writeFileSync(file, bytes);
      console.error(`seed ${seed}, ${file}:`, error);
      return 1;
    }
  }
  console.log(`${opened + refused} files: ${opened} opened, ${refused} refused, none mishandled`);
  return 0;
}

void main().then((code) => {
  process.exitCode = code;
});
