/** `signature`: what is written, that removal gives the original back or refuses, and what is refused. */
import assert from "node:assert/strict";
import { copyFileSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { SignatureApply, SignatureCompare, SignatureExtract, SignatureRemove } from "../../../src/protocol/results";
import { headerOf, safetensorsBytes, Scratch } from "../../files";
import { readWeights } from "../../robust/forward";
import { json, weightLoupe } from "./command-line";

const MODELS = "examples/robust";
const BASE = `${MODELS}/base.safetensors`;
const CLEAN = `${MODELS}/clean.safetensors`;
const FOG = `${MODELS}/fog.safetensors`;
const CONTRAST = `${MODELS}/contrast.safetensors`;
const EXTRACT = ["signature", "extract", "--base", BASE, "--clean", CLEAN];

/** A file of F32 tensors. */
function f32(tensors: Record<string, { shape: number[]; values: number[] }>, metadata?: Record<string, string>): Uint8Array {
  const header = headerOf(Object.fromEntries(Object.entries(tensors).map(([name, { shape, values }]) => [name, { dtype: "F32", shape, bytes: 4 * values.length }])), metadata);
  return safetensorsBytes(header, new Uint8Array(Float32Array.from(Object.values(tensors).flatMap(({ values }) => values)).buffer));
}

const values = (file: string, tensor: string): number[] => [...readWeights(file).get(tensor)!.data];

describe("signature", () => {
  const scratch = new Scratch();
  const at = (name: string): string => join(scratch.folder, name);
  before(async () => {
    await json([...EXTRACT, "--robust", FOG, "--layers", "4", "-o", at("fog.rws.safetensors")]);
    await json([...EXTRACT, "--robust", CONTRAST, "--layers", "2", "-o", at("contrast.rws.safetensors")]);
  });
  after(() => scratch.remove());

  describe("extract", () => {
    it("takes off the part along clean fine-tuning: (3, 0, 3) of (1, 2, 2) leaves (2, −2, 1)", async () => {
      const model = (name: string, own: number[]): string => scratch.write(name, f32({ "fc.weight": { shape: [3, 1], values: own } }));
      const [base, clean, robust] = [model("b.safetensors", [1, 1, 1]), model("c.safetensors", [2, 3, 3]), model("r.safetensors", [4, 1, 4])];
      const { layers } = await json<SignatureExtract>(["signature", "extract", "--base", base, "--clean", clean, "--robust", robust, "-o", at("golden.rws.safetensors")]);
      assert.deepEqual(values(at("golden.rws.safetensors"), "fc.weight"), [2, -2, 1]);
      assert.deepEqual([layers[0]!.coefficients, layers[0]!.removedByProjection], [[1], [0.5]]);
      // Adding a multiple of a changes nothing, and a itself has nothing left.
      const more = model("more.safetensors", [4 + 3, 1 + 6, 4 + 6]);
      await json(["signature", "extract", "--base", base, "--clean", clean, "--robust", more, clean, "-o", at("x.rws.safetensors")]);
      assert.deepEqual(values(at("x-more.rws.safetensors"), "fc.weight"), [2, -2, 1]);
      assert.deepEqual(values(at("x-c.rws.safetensors"), "fc.weight"), [0, 0, 0]);
      // Without a base: the plain difference, and it says so.
      const unprojected = await json<SignatureExtract>(["signature", "extract", "--clean", clean, "--robust", robust, "-o", at("u.rws.safetensors")]);
      assert.deepEqual([unprojected.projected, unprojected.base, unprojected.layers[0]!.coefficients, values(at("u.rws.safetensors"), "fc.weight")], [false, null, [null], [2, -2, 1]]);
      const { stdout } = await weightLoupe(["signature", "extract", "--clean", clean, "--robust", robust, "-o", at("u.rws.safetensors")]);
      assert.match(stdout, /unprojected: robust − clean, as no base is given/);
    });

    it("quantises by levels, halves to even, over all signatures that are made together", async () => {
      const model = (name: string, own: number[]): string => scratch.write(name, f32({ "fc.weight": { shape: [own.length, 1], values: own } }));
      const clean = model("zero.safetensors", [0, 0, 0, 0]);
      const one = model("one.safetensors", [-1, 0, 0.4, 1]);
      await json(["signature", "extract", "--clean", clean, "--robust", one, "--quantise", "linear", "--levels", "4", "-o", at("q.rws.safetensors")]);
      // 1.5 steps above the least value become 2.
      assert.deepEqual(values(at("q.rws.safetensors"), "fc.weight"), [0, 2, 2, 3]);
      await json(["signature", "apply", clean, "--signature", at("q.rws.safetensors"), "-o", at("dequantised.safetensors")]);
      assert.deepEqual(values(at("dequantised.safetensors"), "fc.weight"), [-1, 1 / 3, 1 / 3, 1].map(Math.fround));
      const wide = model("wide.safetensors", [-4, 0, 0, 2]);
      await json(["signature", "extract", "--clean", clean, "--robust", one, wide, "--quantise", "linear", "--levels", "4", "-o", at("both/")]);
      assert.deepEqual([values(at("both/one.rws.safetensors"), "fc.weight"), values(at("both/wide.rws.safetensors"), "fc.weight")], [[2, 2, 2, 2], [0, 2, 2, 3]]);
    });

    it("keeps zeros in logarithmic quantisation, and signs", async () => {
      const model = (name: string, own: number[]): string => scratch.write(name, f32({ "fc.weight": { shape: [own.length, 1], values: own } }));
      const clean = model("none.safetensors", [0, 0, 0, 0, 0]);
      const robust = model("logs.safetensors", [0, 1, -2, 4, -8]);
      await json(["signature", "extract", "--clean", clean, "--robust", robust, "--quantise", "log", "--levels", "8", "-o", at("l.rws.safetensors")]);
      await json(["signature", "apply", clean, "--signature", at("l.rws.safetensors"), "-o", at("logs-back.safetensors")]);
      assert.deepEqual(values(at("logs-back.safetensors"), "fc.weight"), [0, 1, -2, 4, -8]);
    });

    it("patches the first layers in forward order, seven unless told, and says how many there are", async () => {
      const { units, findings, signatures } = await json<SignatureExtract>([...EXTRACT, "--robust", FOG, "-o", at("seven.rws.safetensors")]);
      assert.deepEqual(units.map(({ name, chosen }) => [name, chosen]), ["conv1", "conv2", "conv3", "conv4", "conv5", "fc"].map((name) => [name, true]));
      assert.deepEqual(findings.map(({ rule }) => rule), ["fewer-layers"]);
      assert.deepEqual([signatures[0]!.tensors, signatures[0]!.parameters], [22, 22_098]);
      const named = await json<SignatureExtract>([...EXTRACT, "--robust", FOG, "--tensor", "conv2.*", "--tensor", "fc.bias", "-o", at("named.rws.safetensors")]);
      assert.deepEqual(named.layers.filter(({ chosen }) => chosen).map(({ name }) => name).sort(), ["conv2.bias", "conv2.weight", "fc.bias"]);
    });
  });

  describe("apply and remove", () => {
    const apply = (...args: string[]): Promise<SignatureApply> => json(["signature", "apply", ...args]);

    it("gives the original file back, byte for byte", async () => {
      const applied = await apply(CLEAN, "--signature", at("fog.rws.safetensors"), "--alpha", "0.75", "-o", at("patched.safetensors"));
      assert.deepEqual(applied.signatures, [{ path: at("fog.rws.safetensors"), alpha: 0.75, coefficient: 0.75 }]);
      assert.deepEqual([applied.tensors, applied.undo?.path], [16, at("patched.undo.safetensors")]);
      const removed = await json<SignatureRemove>(["signature", "remove", at("patched.safetensors"), "--signature", at("fog.rws.safetensors"), "-o", at("back.safetensors")]);
      assert.deepEqual([removed.removed, removed.by, removed.remaining], [true, "undo", []]);
      assert.ok(readFileSync(at("back.safetensors")).equals(readFileSync(CLEAN)));
    });

    it("takes one of several off, as if it had never been on", async () => {
      const signatures = [at("fog.rws.safetensors"), at("contrast.rws.safetensors")];
      await apply(CLEAN, "--signature", ...signatures, "--alpha", "0.5", "-0.25", "-o", at("two.safetensors"));
      const removed = await json<SignatureRemove>(["signature", "remove", at("two.safetensors"), "--signature", at("fog.rws.safetensors"), "-o", at("one-left.safetensors")]);
      assert.deepEqual(removed.remaining, [{ name: "contrast.rws.safetensors", alpha: -0.25 }]);
      await apply(CLEAN, "--signature", at("contrast.rws.safetensors"), "--alpha", "-0.25", "-o", at("one.safetensors"));
      assert.ok(readFileSync(at("one-left.safetensors")).equals(readFileSync(at("one.safetensors"))));
      await json(["signature", "remove", at("one-left.safetensors"), "--signature", at("contrast.rws.safetensors"), "-o", at("none-left.safetensors")]);
      assert.ok(readFileSync(at("none-left.safetensors")).equals(readFileSync(CLEAN)));
      assert.ok(!readdirSync(scratch.folder).some((name) => name.startsWith(".") || name.endsWith(".tmp")));
    });

    it("peels off what was applied in two goes, the last first", async () => {
      await apply(CLEAN, "--signature", at("fog.rws.safetensors"), "-o", at("first.safetensors"));
      await apply(at("first.safetensors"), "--signature", at("contrast.rws.safetensors"), "-o", at("second.safetensors"));
      const early = await weightLoupe(["signature", "remove", at("second.safetensors"), "--signature", at("fog.rws.safetensors"), "-o", at("no.safetensors")]);
      assert.equal(early.status, 1);
      assert.match(early.stderr, /was not applied to it; these were: "contrast\.rws\.safetensors" \(α 1\)\n$/);
      await json(["signature", "remove", at("second.safetensors"), "--signature", at("contrast.rws.safetensors"), "-o", at("first-again.safetensors")]);
      assert.ok(readFileSync(at("first-again.safetensors")).equals(readFileSync(at("first.safetensors"))));
    });

    it("multiplies by (α/n)² with the authors' scaling", async () => {
      const { signatures } = await apply(CLEAN, "--signature", at("fog.rws.safetensors"), at("contrast.rws.safetensors"), "--alpha", "1", "--scaling", "authors", "-o", at("authors.safetensors"));
      assert.deepEqual(signatures.map(({ coefficient }) => coefficient), [0.25, 0.25]);
    });

    it("refuses, with status 1 and no file, when the original cannot be had back; and takes it when it is named", async () => {
      await apply(CLEAN, "--signature", at("fog.rws.safetensors"), "--no-undo", "-o", at("bare.safetensors"));
      assert.ok(!existsSync(at("bare.undo.safetensors")));
      const remove = ["signature", "remove", at("bare.safetensors"), "--signature", at("fog.rws.safetensors"), "-o", at("refused.safetensors")];
      const { status, stdout, stderr } = await weightLoupe([...remove, "--json"]);
      const { removed, reason, output } = JSON.parse(stdout) as SignatureRemove;
      assert.deepEqual([status, removed, output], [1, false, null]);
      assert.match(reason!, /^the original cannot be had back bit by bit: subtracting .+ name the original, "clean\.safetensors", with --original$/);
      assert.equal(stderr, `weight-loupe: ${at("bare.safetensors")}: ${reason}\n`);
      const wrong = await weightLoupe([...remove, "--original", `${MODELS}/clean-again.safetensors`]);
      assert.equal(wrong.status, 1);
      assert.match(wrong.stderr, /clean-again\.safetensors" is another model: it differs in 16 of 16 patched tensors/);
      assert.ok(!readdirSync(scratch.folder).some((name) => name.startsWith("refused")));
      await json([...remove, "--original", CLEAN]);
      assert.ok(readFileSync(at("refused.safetensors")).equals(readFileSync(CLEAN)));
    });

    it("subtracts where that is exact, also from a file that says nothing of itself", async () => {
      const model = (name: string, own: number[]): string => scratch.write(name, f32({ "fc.weight": { shape: [3, 1], values: own } }));
      const [clean, robust, other] = [model("whole.safetensors", [1, 2, 3]), model("whole-robust.safetensors", [2, 4, 8]), model("whole-patched.safetensors", [2, 4, 8])];
      await json(["signature", "extract", "--clean", clean, "--robust", robust, "-o", at("whole.rws.safetensors")]);
      const removed = await json<SignatureRemove>(["signature", "remove", other, "--signature", at("whole.rws.safetensors"), "-o", at("whole-back.safetensors")]);
      assert.deepEqual([removed.by, values(at("whole-back.safetensors"), "fc.weight")], ["subtraction", [1, 2, 3]]);
    });

    it("refuses a model that is not the signature's, and says which it is; --onto-other patches it", async () => {
      for (const [model, what] of [
        [BASE, "this is the base it was made from, not the clean model"],
        [FOG, "this is the robust model it was made from"],
        [`${MODELS}/clean-again.safetensors`, "16 of the 16 tensors that it patches differ"],
      ]) {
        const { status, stderr } = await weightLoupe(["signature", "apply", model!, "--signature", at("fog.rws.safetensors"), "-o", at("stranger.safetensors")]);
        assert.equal(status, 2);
        assert.equal(stderr, `weight-loupe: ${model}: the signature ${JSON.stringify(at("fog.rws.safetensors"))} was made for another model, "clean.safetensors": ${what}. --onto-other patches this one all the same\n`);
        assert.ok(!existsSync(at("stranger.safetensors")));
      }
      const { findings } = await apply(`${MODELS}/clean-again.safetensors`, "--signature", at("fog.rws.safetensors"), "--onto-other", "-o", at("stranger.safetensors"));
      assert.deepEqual(findings.map(({ rule }) => rule), ["another-model"]);
      await json(["signature", "remove", at("stranger.safetensors"), "--signature", at("fog.rws.safetensors"), "-o", at("stranger-back.safetensors")]);
      assert.ok(readFileSync(at("stranger-back.safetensors")).equals(readFileSync(`${MODELS}/clean-again.safetensors`)));
    });

    it("refuses what was changed since: the file beside, or the patched model", async () => {
      await apply(CLEAN, "--signature", at("fog.rws.safetensors"), "-o", at("changed.safetensors"));
      const remove = ["signature", "remove", at("changed.safetensors"), "--signature", at("fog.rws.safetensors"), "-o", at("never.safetensors")];
      const flip = (file: string, from: number): void => {
        const bytes = readFileSync(file);
        bytes[bytes.length - from]! ^= 1;
        writeFileSync(file, bytes);
      };
      const undo = readFileSync(at("changed.undo.safetensors"));
      flip(at("changed.undo.safetensors"), 1);
      const held = await weightLoupe(remove);
      assert.equal(held.status, 1);
      assert.match(held.stderr, /changed\.undo\.safetensors" holds other values of 1 of 16 patched tensors/);
      writeFileSync(at("changed.undo.safetensors"), undo);
      // The head's last byte: no signature patched it.
      const end = readFileSync(at("changed.safetensors"));
      const header = JSON.parse(end.subarray(8, 8 + Number(end.readBigUInt64LE(0))).toString()) as Record<string, { data_offsets: [number, number] }>;
      flip(at("changed.safetensors"), end.length - 8 - Number(end.readBigUInt64LE(0)) - header["fc.weight"]!.data_offsets[0]);
      const other = await weightLoupe(remove);
      assert.equal(other.status, 1);
      assert.match(other.stderr, /what no signature patched is no longer as in "clean\.safetensors"\n$/);
      assert.ok(!existsSync(at("never.safetensors")));
    });

    it("needs the file of a signature that stays, and finds it where --keep says", async () => {
      copyFileSync(at("contrast.rws.safetensors"), at("moved.rws.safetensors"));
      await apply(CLEAN, "--signature", at("fog.rws.safetensors"), at("moved.rws.safetensors"), "-o", at("stay.safetensors"));
      renameSync(at("moved.rws.safetensors"), at("elsewhere.rws.safetensors"));
      const remove = ["signature", "remove", at("stay.safetensors"), "--signature", at("fog.rws.safetensors"), "-o", at("stayed.safetensors")];
      const { status, stderr } = await weightLoupe(remove);
      assert.equal(status, 1);
      assert.match(stderr, /the signature "moved\.rws\.safetensors" stays applied, and its file is needed for that; name it with --keep\n$/);
      await json([...remove, "--keep", at("elsewhere.rws.safetensors")]);
      assert.ok(existsSync(at("stayed.safetensors")));
    });

    it("rounds once to the model's own type, and gives the bytes of other types back", async () => {
      const half = (name: string, own: number[]): string =>
        scratch.write(name, safetensorsBytes(headerOf({ "fc.weight": { dtype: "BF16", shape: [own.length, 1], bytes: 2 * own.length }, steps: { dtype: "I64", shape: [1], bytes: 8 } }), Buffer.concat([Buffer.from(Uint16Array.from(own, (x) => new Uint32Array(Float32Array.of(x).buffer)[0]! >>> 16).buffer), Buffer.alloc(8, 7)])));
      const [clean, robust] = [half("bf-clean.safetensors", [1, 256, -3]), half("bf-robust.safetensors", [1.0078125, 258, 5])];
      await json(["signature", "extract", "--clean", clean, "--robust", robust, "-o", at("bf.rws.safetensors")]);
      await apply(clean, "--signature", at("bf.rws.safetensors"), "--alpha", "0.5", "-o", at("bf-patched.safetensors"));
      const bytes = readFileSync(at("bf-patched.safetensors"));
      const start = 8 + Number(bytes.readBigUInt64LE(0));
      const stored = [...new Uint16Array(Uint8Array.from(bytes.subarray(start + 8, start + 14)).buffer)].map((bits) => new Float32Array(Uint32Array.of(bits << 16).buffer)[0]);
      // Halfway between neighbours: to even. 256 + 1 is halfway between 256 and 258.
      assert.deepEqual([stored, bytes.subarray(start, start + 8)], [[1, 256, 1], Buffer.alloc(8, 7)]);
      await json(["signature", "remove", at("bf-patched.safetensors"), "--signature", at("bf.rws.safetensors"), "-o", at("bf-back.safetensors")]);
      assert.ok(readFileSync(at("bf-back.safetensors")).equals(readFileSync(clean)));
    });
  });

  describe("compare", () => {
    it("says how alike signatures are, over the tensors that both hold", async () => {
      const document = await json<SignatureCompare>(["signature", "compare", at("fog.rws.safetensors"), at("contrast.rws.safetensors")]);
      const [fog, contrast] = ["fog", "contrast"].map((name) => readWeights(at(`${name}.rws.safetensors`)));
      let [dot, a, b] = [0, 0, 0];
      for (const [name, { data }] of contrast!) {
        const other = fog!.get(name)!.data;
        for (const [i, value] of data.entries()) [dot, a, b] = [dot + value * other[i]!, a + other[i]! ** 2, b + value ** 2];
      }
      assert.ok(Math.abs(Number(document.cosine[0]![1]) - dot / Math.sqrt(a * b)) < 1e-12);
      assert.deepEqual([document.cosine[0]![0], document.cosine[1]![1]], [1, 1]);
      assert.deepEqual(document.layers.map(({ norm }) => norm.map((value) => value !== null)), document.layers.map(({ name }) => [true, contrast!.has(name)]));
      assert.deepEqual(document.bytes, ["fog", "contrast"].map((name) => readFileSync(at(`${name}.rws.safetensors`)).length));
      assert.equal(document.fullCopyBytes, readFileSync(FOG).length);
    });
  });

  describe("bad usage", () => {
    const S = "x.rws.safetensors";
    for (const [args, line] of [
      [[], /: signature needs one of extract, apply, remove, compare$/],
      [["merge"], /: signature needs one of extract, apply, remove, compare, not "merge"$/],
      [["extract", "--robust", FOG, "-o", S], /: signature extract needs --clean CLEAN/],
      [["extract", "--clean", CLEAN, "-o", S], /: signature extract needs --robust R…/],
      [["extract", "--clean", CLEAN, "--robust", FOG], /: -o OUT\.safetensors is needed/],
      [["extract", "--clean", CLEAN, "--robust", FOG, "-o", "x.txt"], /: -o x\.txt: a signature is a \.rws\.safetensors file$/],
      [["extract", "--clean", CLEAN, "--robust", FOG, "--layers", "0", "-o", S], /: --layers 0 is no number of layers$/],
      [["extract", "--clean", CLEAN, "--robust", FOG, "--levels", "4", "-o", S], /: --levels is for --quantise linear, log or tanh$/],
      [["extract", "--clean", CLEAN, "--robust", FOG, "--quantise", "cubic", "-o", S], /: --quantise cubic is no scheme: linear, log, tanh$/],
      [["extract", "--clean", CLEAN, "--robust", FOG, "--quantise", "linear", "--levels", "1", "-o", S], /: --levels 1 is no number of levels that linear can have: 2 to 65535$/],
      [["extract", "--clean", CLEAN, "--robust", FOG, "--quantise", "log", "--levels", "3", "-o", S], /: --levels 3 is no number of levels that log can have: 4 to 65535$/],
      [["extract", "--clean", CLEAN, "--robust", FOG, "--tensor", "nothing.*", "-o", S], /: none of its tensors that were chosen can be compared with the other models \(0 chosen\)$/],
      [["extract", "--clean", CLEAN, "--robust", "examples/tiny-llama/checkpoint-100", "-o", S], /tiny-llama\/checkpoint-100: it has no tensor of a name that the clean model .+ has$/],
      [["extract", "--clean", CLEAN, "--robust", FOG, "--alpha", "1", "-o", S], /: --alpha is no option of signature extract; it has --base, /],
      [["apply", CLEAN, "-o", S], /: --signature S… is needed: the signature files$/],
      [["apply", CLEAN, "--signature", FOG, "-o", S], /fog\.safetensors: this is not a robust weight signature: its metadata has no "robust_weight_signature"$/],
      [["apply", CLEAN, "--signature", S, "--alpha", "much", "-o", S], /: --alpha much is no number$/],
      [["apply", CLEAN, "--signature", S, "--alpha", "1", "2", "-o", S], /: --alpha has 2 numbers for 1 signature; give one for each, or one for all$/],
      [["apply", CLEAN, "--signature", S, "--scaling", "square", "-o", S], /: --scaling square is neither linear nor authors$/],
      [["compare"], /: signature compare needs signature files$/],
    ] as const) {
      it(`refuses ${args.join(" ") || "nothing"}`, async () => {
        const { status, stderr, stdout } = await weightLoupe(["signature", ...args]);
        assert.deepEqual([status, stdout], [2, ""]);
        assert.match(stderr.trimEnd(), line);
      });
    }

    it("writes over none of the files it reads", async () => {
      copyFileSync(CLEAN, at("own.safetensors"));
      const { status, stderr } = await weightLoupe(["signature", "apply", at("own.safetensors"), "--signature", at("fog.rws.safetensors"), "-o", at("own.safetensors")]);
      assert.equal(status, 2);
      assert.match(stderr, /this is one of the files that are read; choose another name to write to\n$/);
      copyFileSync(CLEAN, at("it.undo.safetensors"));
      const beside = await weightLoupe(["signature", "apply", at("it.undo.safetensors"), "--signature", at("fog.rws.safetensors"), "-o", at("it.safetensors")]);
      assert.equal(beside.status, 2);
      assert.match(beside.stderr, /would be written beside it, and is one of the files that are read/);
      assert.ok(readFileSync(at("own.safetensors")).equals(readFileSync(CLEAN)) && readFileSync(at("it.undo.safetensors")).equals(readFileSync(CLEAN)));
      rmSync(at("it.undo.safetensors"));
    });
  });
});
