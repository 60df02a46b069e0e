/**
 * Mutates the reference files for a while and opens the results. `npm run fuzz -- [--seconds N] [--seed S]`; a failure is
 * written to `out/fuzz/` and its seed printed, with which it comes again.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { fixtures, root } from "../files";
import { openOrRefuse } from "./consistency";
import { mutate, Random } from "./mutate";

/** Longer than any of these small files may take. */
const HANG_MS = 5000;

const { values } = parseArgs({ options: { seconds: { type: "string", default: "60" }, seed: { type: "string" } } });
const firstSeed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed);

const folder = join(fixtures, "safetensors");
const read = (path: string): Uint8Array => new Uint8Array(readFileSync(path));
const singles = readdirSync(folder).filter((name) => name.endsWith(".safetensors")).map((name) => new Map([["/m/model.safetensors", read(join(folder, name))]]));
const sharded = new Map(readdirSync(join(folder, "sharded")).filter((name) => !name.endsWith(".expect.json")).map((name) => [join("/m", name), read(join(folder, "sharded", name))]));
const models = [...singles.map((files) => ({ entry: "/m/model.safetensors", files })), { entry: "/m/model.safetensors.index.json", files: sharded }];

async function main(): Promise<number> {
  const seconds = Number(values.seconds);
  if (!Number.isFinite(seconds) || !Number.isSafeInteger(firstSeed)) {
    console.error("usage: npm run fuzz -- [--seconds N] [--seed S]");
    return 2;
  }
  console.log(`seed ${firstSeed}`);
  const end = performance.now() + seconds * 1000;
  let opened = 0;
  let refused = 0;
  for (let seed = firstSeed; performance.now() < end; seed++) {
    const random = new Random(seed);
    const { entry, files } = random.of(models);
    const victim = random.of([...files.keys()]);
    const bytes = mutate(files.get(victim)!, random);
    const start = performance.now();
    try {
      if ((await openOrRefuse(entry, new Map(files).set(victim, bytes))) === null) refused++;
      else opened++;
      if (performance.now() - start > HANG_MS) throw new Error(`it took ${Math.round(performance.now() - start)} ms`);
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
