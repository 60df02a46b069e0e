/** Signature files, patched models and what lies beside them, as hostile hands leave them: one sentence each, nothing written. */
import assert from "node:assert/strict";
import { openSignature, SIGNATURE_KEY } from "../../src/analysis/signature/signature-file";
import { openUndo, PATCH_KEY, readPatchRecord, UNDO_KEY } from "../../src/analysis/signature/patch-record";
import { CheckpointError } from "../../src/checkpoint/checkpoint";
import { LocalFiles } from "../../src/checkpoint/file-source";
import { openCheckpoint } from "../../src/checkpoint/registry";
import { headerOf, safetensorsBytes, Scratch } from "../files";

const HASH = "0".repeat(64);
const MARK = { file: "clean.safetensors", contents: HASH, bytes: 10 };
const ENTRY = { hashes: { base: HASH, clean: HASH, robust: HASH }, coefficient: 0.5, removed: 0.25 };
const FACTS = { version: 1, projected: true, base: MARK, clean: MARK, robust: MARK, scheme: null, units: ["fc"], tensors: { "fc.weight": ENTRY } };
const CODES = { ...FACTS, scheme: { name: "linear", levels: 4 }, tensors: { "fc.weight": { ...ENTRY, scale: { min: -1, max: 1, zeros: false } } } };

describe("malformed signatures", () => {
  const scratch = new Scratch();
  const sources = new LocalFiles();
  after(() => scratch.remove());

  const file = (facts: unknown, dtype = "F32"): string => {
    const bytes = { F32: 8, U8: 2, U16: 4 }[dtype]!;
    const text = typeof facts === "string" ? facts : JSON.stringify(facts);
    return scratch.write("s.rws.safetensors", safetensorsBytes(headerOf({ "fc.weight": { dtype, shape: [2, 1], bytes } }, { [SIGNATURE_KEY]: text }), bytes));
  };
  const refused = async (work: () => unknown, message: RegExp): Promise<void> => {
    await assert.rejects(() => Promise.resolve().then(work), (error: unknown) => {
      assert.ok(error instanceof CheckpointError, String(error));
      assert.match(error.message, message);
      assert.ok(!error.message.includes("\n"));
      return true;
    });
  };
  const withTensor = (change: object, facts: typeof FACTS = FACTS): object => ({ ...facts, tensors: { "fc.weight": { ...facts.tensors["fc.weight"], ...change } } });
  const withScale = (scale: object, scheme: object = CODES.scheme): object => ({ ...CODES, scheme, tensors: { "fc.weight": { ...CODES.tensors["fc.weight"], scale: { ...CODES.tensors["fc.weight"].scale, ...scale } } } });

  it("are read when they are whole", async () => {
    assert.equal((await openSignature(file(FACTS), sources)).tensors.get("fc.weight")!.removed, 0.25);
    assert.equal((await openSignature(file(CODES, "U8"), sources)).scheme!.levels, 4);
  });

  for (const [what, facts, dtype, message] of [
    ["no JSON", "{", "F32", /is not valid JSON$/],
    ["a list", [], "F32", /in its metadata is not an object$/],
    ["another version", { ...FACTS, version: 2 }, "F32", /the signature is of version 2, and this program reads version 1$/],
    ["no clean model", { ...FACTS, clean: null }, "F32", /"clean" of .+ is not an object$/],
    ["a hash that is none", { ...FACTS, clean: { ...MARK, contents: "xyz" } }, "F32", /"contents" of "clean" of .+ is not a hash of 64 hexadecimal digits$/],
    ["a negative size", { ...FACTS, robust: { ...MARK, bytes: -1 } }, "F32", /"bytes" of "robust" of .+ is not an integer from 0 on$/],
    ["no tensors", { ...FACTS, tensors: {} }, "F32", /the signature's metadata says nothing of the tensor "fc\.weight"$/],
    ["a tensor that is not there", { ...FACTS, tensors: { ...FACTS.tensors, gone: ENTRY } }, "F32", /the tensor "gone" that the signature's metadata lists is not in the file$/],
    ["a hidden prototype", `{"version":1,"__proto__":{"clean":1}}`, "F32", /"tensors" of .+ is not an object$/],
    ["units that are no texts", { ...FACTS, units: [1] }, "F32", /"units" of .+ is not a list of texts$/],
    ["values of another type", FACTS, "U8", /the tensor "fc\.weight" of the signature is of type U8, not F32$/],
    ["a coefficient that is none", withTensor({ coefficient: "1" }), "F32", /"coefficient" of .+ is not a finite number$/],
    ["an unknown scheme", { ...CODES, scheme: { name: "cubic", levels: 4 } }, "U8", /"name" of "scheme" of .+ is not one of linear, log, tanh$/],
    ["no level", { ...CODES, scheme: { name: "linear", levels: 0 } }, "U8", /"levels" of "scheme" of .+ is not an integer from 2 to 65535$/],
    ["one level", { ...CODES, scheme: { name: "linear", levels: 1 } }, "U8", /"levels" of "scheme" of .+ is not an integer from 2 to 65535$/],
    ["three logarithmic levels", { ...CODES, scheme: { name: "log", levels: 3 } }, "U8", /"levels" of "scheme" of .+ is not an integer from 4 to 65535$/],
    ["very many levels", { ...CODES, scheme: { name: "linear", levels: 1e9 } }, "U16", /"levels" of "scheme" of .+ is not an integer from 2 to 65535$/],
    ["codes wider than they need be", CODES, "U16", /is of type U16, not U8$/],
    ["codes that are values", CODES, "F32", /is of type F32, not U8$/],
    ["no scale", withTensor({ scale: null }, CODES as never), "U8", /"scale" of .+ is not an object$/],
    ["a scale that is no number", withScale({ min: "NaN" }), "U8", /"min" of "scale" of .+ is not a finite number$/],
    ["a scale upside down", withScale({ min: 2 }), "U8", /"scale" of .+ has its least value above its largest$/],
    ["a scale beyond F32", withScale({ max: 1e200 }), "U8", /"scale" of .+ is no range of F32 values$/],
    ["exponents beyond F32", withScale({ max: 900 }, { name: "log", levels: 4 }), "U8", /"scale" of .+ is no range of F32 values$/],
    ["tanh of infinity", withScale({ max: 1 }, { name: "tanh", levels: 4 }), "U8", /"scale" of .+ is no range of tanh$/],
  ] as const) {
    it(`are refused with ${what}`, () => refused(() => openSignature(file(facts, dtype), sources), message));
  }

  const patched = async (record: unknown): Promise<ReturnType<typeof readPatchRecord>> => {
    const text = typeof record === "string" ? record : JSON.stringify(record);
    return readPatchRecord(await openCheckpoint(scratch.write("p.safetensors", safetensorsBytes(headerOf({ w: { dtype: "F32", shape: [1], bytes: 4 } }, { [PATCH_KEY]: text }), 4)), sources));
  };
  const RECORD = { version: 1, applied: [{ file: "s.rws.safetensors", contents: HASH, alpha: 1, coefficient: 1 }], original: { file: "clean.safetensors", contents: HASH, tensors: { w: HASH } }, root: HASH };

  it("records of patched models are checked field by field", async () => {
    assert.equal((await patched(RECORD))!.applied[0]!.alpha, 1);
    await refused(() => patched("nonsense"), /is not valid JSON$/);
    await refused(() => patched({ ...RECORD, version: 7 }), /"version" of .+ is not an integer from 1 to 1$/);
    await refused(() => patched({ ...RECORD, applied: [] }), /lists no signature$/);
    await refused(() => patched({ ...RECORD, applied: [{ ...RECORD.applied[0], alpha: null }] }), /"alpha" of "applied" of .+\[0\] is not a finite number$/);
    await refused(() => patched({ ...RECORD, original: { ...RECORD.original, tensors: { w: "" } } }), /"w" of "tensors" of .+ is not a hash of 64 hexadecimal digits$/);
  });

  it("what lies beside a patched model is what it is taken for", async () => {
    const undo = (metadata: Record<string, string>): string => scratch.write("m.undo.safetensors", safetensorsBytes(headerOf({ w: { dtype: "F32", shape: [1], bytes: 4 } }, metadata), 4));
    const beside = undo({ [UNDO_KEY]: JSON.stringify({ version: 1, header: null }) }).replace(".undo", "");
    assert.equal((await openUndo(beside, sources))!.header, null);
    undo({});
    await refused(() => openUndo(beside, sources), /it is not what the patched model's original is restored from/);
    undo({ [UNDO_KEY]: JSON.stringify({ version: 1, header: 5 }) });
    await refused(() => openUndo(beside, sources), /"header" of .+ is not a text$/);
    assert.equal(await openUndo("/nowhere/m.safetensors", sources), null);
  });
});
