/** `weight-loupe convert`: decoded values as safetensors; an adapter as merged weights or as its updates. */
import path from "node:path";
import { convert as write, planConversion } from "../analysis/conversion";
import { FLOATING_TYPES, parseFloatingType, type FloatingType } from "../analysis/convert";
import { Rate } from "../analysis/rate";
import { LocalFiles } from "../checkpoint/file-source";
import { UsageError, type Arguments } from "./arguments";
import type { Command } from "./command";
import { withEngine } from "./engine-process";
import { Exit } from "./failure";
import { bytes, printable } from "./format";
import { selector } from "./select";
import { ProgressLine } from "./terminal";

/** The document that `--json` prints. */
export interface ConvertDocument {
  path: string;
  output: string;
  tensors: number;
  parameters: number;
  /** Of the file. */
  bytes: number;
  /** Types of the output. */
  dtypes: Record<string, { tensors: number; bytes: number }>;
  seconds: number;
}

export const convert: Command = {
  name: "convert",
  operands: "FILE",
  summary: "writes decoded values as safetensors; with --base or --delta, what an adapter makes of its base model",
  options: {
    output: { value: "required", short: "o", usage: "-o OUT.safetensors", meaning: "the file to write; one that is there is replaced" },
    tensor: { value: "required", many: true, usage: "--tensor GLOB", meaning: "only these tensors: a name, a glob (*, **, ?, {a,b}) or a /regular expression/" },
    dtype: { value: "required", usage: "--dtype TYPE", meaning: `type of floating-point tensors: ${FLOATING_TYPES.join(", ")}; default: their own` },
    base: { value: "required", many: true, usage: "--base BASE", meaning: "FILE is an adapter: write BASE with its updates added" },
    delta: { value: "none", usage: "--delta", meaning: "FILE is an adapter: write each update ΔW by itself, in F32" },
  },
  async run(args, { json, signal, log, write: print }) {
    const [file, ...more] = args.operands;
    if (file === undefined) throw new UsageError("convert needs a FILE: a checkpoint, an index, or a folder with one model");
    if (more.length > 0) throw new UsageError(`convert takes one FILE; what is ${JSON.stringify(more[0])}?`);
    const [out] = args.values("output");
    if (out === undefined || out === "") throw new UsageError("convert needs -o OUT.safetensors: the file to write");
    const dtype = dtypeOf(args);
    const select = selector(args.values("tensor"));
    const begun = performance.now();
    const conversion = await planConversion(
      { path: file, select, delta: args.has("delta"), bases: args.values("base"), ...(dtype === undefined ? {} : { dtype }) },
      new LocalFiles(),
      signal,
    );
    const { tensors } = conversion.output;
    const size = await withEngine(log, async ({ engine }) => {
      const line = new ProgressLine("converting");
      const rate = new Rate();
      let told = 0;
      const onProgress = (done: number, total: number, current: string): void => {
        rate.add(done - told, done - told);
        told = done;
        const { bytes: bytesPerSecond } = rate.perSecond();
        line.show({ done, total, bytesPerSecond, secondsLeft: bytesPerSecond > 0 ? (total - done) / bytesPerSecond : null, current });
      };
      try {
        return (await write(conversion, { engine, target: path.resolve(out), signal, onProgress })).bytes;
      } finally {
        line.clear();
      }
    });
    const dtypes: ConvertDocument["dtypes"] = {};
    for (const tensor of tensors) {
      const sum = (dtypes[tensor.dtype] ??= { tensors: 0, bytes: 0 });
      sum.tensors++;
      sum.bytes += tensor.bytes;
    }
    const parameters = tensors.reduce((sum, { shape }) => sum + shape.reduce((product, length) => product * length, 1), 0);
    const document: ConvertDocument = { path: file, output: out, tensors: tensors.length, parameters, bytes: size, dtypes, seconds: (performance.now() - begun) / 1000 };
    await print(json ? `${JSON.stringify(document)}\n` : `${printable(out)}  ${tensors.length} ${tensors.length === 1 ? "tensor" : "tensors"} · ${Object.keys(dtypes).join(", ") || "no data"} · ${bytes(size)}\n`);
    return Exit.done;
  },
};

function dtypeOf(args: Arguments): FloatingType | undefined {
  const [text] = args.values("dtype");
  if (text === undefined) return undefined;
  const dtype = parseFloatingType(text);
  if (dtype === null) throw new UsageError(`--dtype ${text} is no type to convert to: ${FLOATING_TYPES.join(", ")}`);
  return dtype;
}
