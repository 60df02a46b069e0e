/** Plans of merges that copy ranges of a file, and an engine that does so, for tests of what is written and when. */
import { closeSync, openSync, readSync, statSync, writeSync } from "node:fs";
import type { Engine } from "../../../../src/analysis/engine";
import { EngineError } from "../../../../src/engine/error";
import type { EngineRequests, Expression } from "../../../../src/engine/protocol";
import type { MergePlan, PlannedTensor } from "../../../../src/merge/plan/plan";
import type { MergeDocument } from "../../../../src/merge/recipe/recipe";

type Write = EngineRequests["write"];
type Range = Extract<Expression, { kind: "range" }>;

export const at = { line: 3, column: 5, endLine: 3, endColumn: 9 };

export const emptyDocument: MergeDocument = {
  at, text: "", name: null, method: { value: "linear", at }, base: null, body: null, parameters: {}, dtype: null, outDtype: null, tokenizer: null,
  chatTemplate: null, profile: null, seed: null, unmatched: null, nonFinite: null,
};

/** Of F32 vectors of the lengths given, one after the other from the start of `file`. */
export function planOf(file: string, lengths: Record<string, number>, document: Partial<MergeDocument> = {}): MergePlan {
  const { size, mtimeMs } = statSync(file);
  let offset = 0;
  const tensors = Object.entries(lengths).map(([name, length]): PlannedTensor => {
    const expression: Expression = { kind: "range", file, offset, bytes: 4 * length, dtype: "F32", shape: [length] };
    offset += 4 * length;
    const read = (): Promise<Expression> => Promise.resolve(expression);
    return { name, dtype: "F32", shape: [length], bytes: 4 * length, layer: null, parameters: {}, policy: "merged", sources: [{ input: 0, tensor: name, read }], read };
  });
  return {
    document: { ...emptyDocument, ...document }, method: "linear", profile: "mergekit", problems: [], tensors,
    inputs: [{ label: "models/a", path: file, base: false }],
    files: [{ path: file, bytes: size, modified: mtimeMs }],
    config: '{\n  "model_type": "llama"\n}\n',
    tokenizer: { copied: [], written: [{ name: "tokenizer.json", text: "{}" }] },
    estimate: null,
  };
}

/** An engine that copies ranges; `before` may fail instead, or wait. `call`: how many there were before. `written`: their offsets. */
export function copyingEngine(before: (params: Write["params"], signal: AbortSignal, call: number) => void | Promise<void> = () => undefined, nonFinite = 0): Engine & { written: string[] } {
  const written: string[] = [];
  let calls = 0;
  const request = async (method: string, params: unknown, options?: { signal?: AbortSignal }): Promise<unknown> => {
    if (method === "statistics") return { count: 4, finite: 4 - nonFinite };
    if (method !== "write") throw new Error(method);
    const { tensor, file, offset } = params as Write["params"];
    await before(params as Write["params"], options!.signal!, calls++);
    const { file: from, offset: start, bytes } = tensor as Range;
    const buffer = Buffer.alloc(bytes);
    const [source, target] = [openSync(from, "r"), openSync(file, "r+")];
    readSync(source, buffer, 0, bytes, start);
    writeSync(target, buffer, 0, bytes, offset);
    closeSync(source);
    closeSync(target);
    written.push(`${start}`);
    return { bytes, nonFinite };
  };
  return { request: request as Engine["request"], written };
}

/** What the engine says when the disk is full. */
export function diskFull(file: string): EngineError {
  return new EngineError("io", `Cannot write ${file}: No space left on device (os error 28).`, file);
}
