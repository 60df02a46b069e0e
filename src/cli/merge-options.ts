/** The flags of `merge`: ours, mergekit's that change the output, and those of mergekit that have no meaning here. */
import type { MergeProfile } from "../engine/protocol";
import { UsageError, type Arguments, type OptionSpec } from "./arguments";

/** As mergekit's default. */
const SHARD_SIZE = "5B";

const none = (usage: string, meaning: string): OptionSpec => ({ value: "none", usage, meaning });
const required = (usage: string, meaning: string): OptionSpec => ({ value: "required", usage, meaning });

const OURS: Readonly<Record<string, OptionSpec>> = {
  output: { value: "required", short: "o", usage: "-o OUT", meaning: "the folder to write; an earlier merge there is replaced, anything else is left alone" },
  "dry-run": none("--dry-run", "tell what is wrong and what it would take, from headers alone; write nothing"),
  preview: required("--preview GLOB", "measure what the merge does to these tensors (a name, a glob or a /regular expression/); write nothing"),
  profile: required("--profile PROFILE", "mergekit (default): rounded step by step as mergekit does; paper: accumulated and rounded once"),
  seed: required("--seed N", "of random masks; in place of the recipe's"),
  resume: none("--resume", "go on with an unfinished merge into OUT"),
};

const MERGEKIT: Readonly<Record<string, OptionSpec>> = {
  "out-shard-size": required("--out-shard-size SIZE", `bytes of tensor data to a file, with K, M or B (default ${SHARD_SIZE}); 0: one file`),
  "copy-tokenizer": none("--[no-]copy-tokenizer", "copy the base model's tokenizer files, where the recipe makes no tokenizer (on by default)"),
  "allow-crimes": none("--[no-]allow-crimes", "merge models of different architectures"),
  "random-seed": required("--random-seed N", "the same as --seed"),
  "write-model-card": none("--[no-]write-model-card", "write README.md and mergekit_config.yml (on by default)"),
  "unsafe-truncate-embeddings": none("--[no-]unsafe-truncate-embeddings", "cut embeddings of different lengths to the shortest, whatever their rows mean"),
  "clone-tensors": none("--[no-]clone-tensors", "write tensors that share their bytes once for each name"),
};

/** Device, cache and speed: accepted, so that a command line of mergekit's works as it is. */
const IGNORED_SWITCHES = ["cuda", "low-cpu-memory", "trust-remote-code", "lazy-unpickle", "safe-serialization", "read-to-gpu", "multi-gpu", "gpu-rich", "async-write", "quiet", "lazy"];
const IGNORED_VALUES = ["device", "transformers-cache", "lora-merge-cache", "lora-merge-dtype", "num-threads", "write-threads", "intermediate-dir"];

const hidden = (value: OptionSpec["value"], name: string): OptionSpec => ({ value, hidden: true, usage: `--${name} …`, meaning: "" });

export const MERGE_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  ...OURS,
  ...MERGEKIT,
  ...Object.fromEntries(Object.entries(MERGEKIT).filter(([, { value }]) => value === "none").map(([name]) => [`no-${name}`, hidden("none", `no-${name}`)])),
  ...Object.fromEntries(IGNORED_SWITCHES.flatMap((name) => [[name, hidden("none", name)], [`no-${name}`, hidden("none", `no-${name}`)]])),
  ...Object.fromEntries(IGNORED_VALUES.map((name) => [name, hidden("required", name)])),
};

export interface MergeSettings {
  output: string | null;
  dryRun: boolean;
  preview: string | null;
  profile: MergeProfile | null;
  seed: number | null;
  resume: boolean;
  /** Bytes; 0: no limit. */
  shardBytes: number;
  copyTokenizer: boolean;
  allowCrimes: boolean;
  writeModelCard: boolean;
  unsafeTruncateEmbeddings: boolean;
  cloneTensors: boolean;
  /** Flags that were given and have no effect. */
  ignored: string[];
  /** What changes the output's values, as it was given. */
  options: string;
}

/** @throws UsageError when a value is none. */
export function mergeSettings(args: Arguments): MergeSettings {
  const [output] = args.values("output");
  const [preview] = args.values("preview");
  const dryRun = args.has("dry-run");
  if (output === undefined && !dryRun && preview === undefined) throw new UsageError("merge needs -o OUT: the folder to write; or --dry-run, or --preview GLOB");
  if (output === "") throw new UsageError("-o needs the folder to write");
  const profile = profileOf(args);
  const seed = seedOf(args);
  const switched = (name: string, otherwise: boolean): boolean => {
    if (args.has(name) && args.has(`no-${name}`)) throw new UsageError(`--${name} and --no-${name} exclude each other`);
    return args.has(name) || (otherwise && !args.has(`no-${name}`));
  };
  const [size = SHARD_SIZE] = args.values("out-shard-size");
  const settings = {
    output: output ?? null, dryRun, preview: preview ?? null, profile, seed, resume: args.has("resume"),
    shardBytes: shardBytes(size),
    copyTokenizer: switched("copy-tokenizer", true),
    allowCrimes: switched("allow-crimes", false),
    writeModelCard: switched("write-model-card", true),
    unsafeTruncateEmbeddings: switched("unsafe-truncate-embeddings", false),
    cloneTensors: switched("clone-tensors", false),
    ignored: [...IGNORED_SWITCHES.flatMap((name) => [name, `no-${name}`]), ...IGNORED_VALUES].filter((name) => args.has(name)).map((name) => `--${name}`),
  };
  const options = [
    ...(profile === null ? [] : [`--profile ${profile}`]), ...(seed === null ? [] : [`--seed ${seed}`]),
    ...(settings.allowCrimes ? ["--allow-crimes"] : []), ...(settings.unsafeTruncateEmbeddings ? ["--unsafe-truncate-embeddings"] : []),
  ];
  return { ...settings, options: options.join(" ") };
}

function profileOf(args: Arguments): MergeProfile | null {
  const [text] = args.values("profile");
  if (text === undefined || text === "mergekit" || text === "paper") return text ?? null;
  throw new UsageError(`--profile ${text} is no profile: mergekit or paper`);
}

function seedOf(args: Arguments): number | null {
  const given = [...args.values("seed"), ...args.values("random-seed")];
  for (const text of given) if (!/^\d+$/.test(text) || !Number.isSafeInteger(Number(text))) throw new UsageError(`the seed ${text} is no whole number from 0 to 2^53 − 1`);
  const [seed, other] = given.map(Number);
  if (other !== undefined && other !== seed) throw new UsageError("--seed and --random-seed are two names of one thing; give one");
  return seed ?? null;
}

const UNITS: Readonly<Record<string, number>> = { "": 1, k: 1e3, m: 1e6, b: 1e9, g: 1e9 };

/** As mergekit writes sizes: `5B` is five thousand million. @throws UsageError */
export function shardBytes(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)([kmbg]?)b?$/i.exec(text.trim()) ?? [];
  const bytes = Math.floor(Number(number) * UNITS[(unit ?? "").toLowerCase()]!);
  if (number === undefined || !Number.isSafeInteger(bytes)) throw new UsageError(`--out-shard-size ${text} is no size: a number of bytes, perhaps with K, M or B, as in 5B`);
  return bytes;
}
