/** What the actions of `signature` have in common. */
import { Rate } from "../../analysis/rate";
import type { Finding } from "../../protocol/results";
import { UsageError, type Arguments } from "../arguments";
import { printable } from "../format";
import { ProgressLine } from "../terminal";

/** Bytes done of all, as the analysis tells it. */
export type OnProgress = (done: number, total: number, current: string) => void;

/** Does `work` with a progress line on terminals. @param verb what is being done: `"patching"`. */
export async function withProgress<T>(verb: string, work: (onProgress: OnProgress) => Promise<T>): Promise<T> {
  const line = new ProgressLine(verb);
  const rate = new Rate();
  let told = 0;
  try {
    return await work((done, total, current) => {
      rate.add(done - told, done - told);
      told = done;
      const { bytes: bytesPerSecond } = rate.perSecond();
      line.show({ done, total, bytesPerSecond, secondsLeft: bytesPerSecond > 0 ? (total - done) / bytesPerSecond : null, current });
    });
  } finally {
    line.clear();
  }
}

/** The one file that an action is about. */
export function onlyOperand({ operands }: Arguments, usage: string): string {
  const [file, ...more] = operands;
  if (file === undefined) throw new UsageError(`signature ${usage}: name the file`);
  if (more.length > 0) throw new UsageError(`signature ${usage} takes one file; what is ${JSON.stringify(more[0])}?`);
  return file;
}

export function outputOf(args: Arguments): string {
  const [out] = args.values("output");
  if (out === undefined || out === "") throw new UsageError("-o OUT.safetensors is needed: the file to write");
  return out;
}

export function signatureFiles(args: Arguments): string[] {
  const files = args.values("signature");
  if (files.length === 0) throw new UsageError("--signature S… is needed: the signature files");
  return files;
}

export function findingLines(findings: readonly Finding[]): string[] {
  return findings.map(({ severity, tensor, message }) => `  ${severity === "info" ? "note" : severity}  ${tensor === undefined ? "" : `${printable(tensor)}: `}${printable(message)}`);
}
