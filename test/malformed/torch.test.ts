/** Damaged and hostile PyTorch files: opened consistently or refused in one sentence, never run, never blown up. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { CheckpointError, type Checkpoint } from "../../src/checkpoint/checkpoint";
import { openCheckpoint } from "../../src/checkpoint/registry";
import { referenceFiles } from "../conformance/reference";
import { call, dict, global, int, list, op, pickle, tensor, text, tuple, u32, u64, type Op } from "../pickle-writer";
import { zipBytes, type Member } from "../zip-writer";
import { MemoryFiles } from "./memory-files";
import { mutate, Random } from "./mutate";

const PATH = "/m/model.pt";

function open(bytes: Uint8Array, path = PATH): Promise<Checkpoint> {
  return openCheckpoint(path, new MemoryFiles(new Map([[path, new Uint8Array(bytes)]])));
}

const DATA = { name: "m/data/0", data: Buffer.from(new Float32Array([1.5, -2]).buffer), align: 64 };

function archive(data: Uint8Array, ...members: Member[]): Buffer {
  return zipBytes({ members: [{ name: "m/data.pkl", data }, ...(members.length === 0 ? [DATA] : members)] });
}

/** An archive whose object is what these opcodes leave on the stack. */
const object = (...ops: Op[]): Buffer => archive(pickle(ops));

const LEGACY_START = [pickle([op("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19")]), pickle([op("M\xe9\x03")]), pickle([op("}")])];

function legacy(root: Op, keys: readonly string[], ...data: Uint8Array[]): Buffer {
  return Buffer.concat([...LEGACY_START, pickle([root]), pickle([list(...keys.map(text))]), ...data]);
}
const COUNTED = Buffer.concat([u64(2n), DATA.data]);
const LEGACY_TENSOR = dict({ w: tensor({ view: op("N") }) });

async function refused(bytes: Uint8Array, says: RegExp, path?: string): Promise<void> {
  await assert.rejects(open(bytes, path), (error) => {
    assert.ok(error instanceof CheckpointError, String(error));
    assert.match(error.message, says);
    return true;
  });
}

const messagesOf = ({ findings }: Checkpoint): string[] => findings.map(({ severity, message }) => `${severity}: ${message}`);

describe("PyTorch files", () => {
  it("of one tensor are read in each form", async () => {
    for (const bytes of [object(dict({ w: tensor() })), legacy(LEGACY_TENSOR, ["0"], COUNTED)]) {
      const { tensors: [w], findings } = await open(bytes);
      const { offset, expression } = w!;
      assert.deepEqual([w!.name, w!.dtype, w!.shape, findings], ["w", "F32", [2], []]);
      assert.deepEqual([...new Float32Array(Uint8Array.from(bytes.subarray(offset!, offset! + 8)).buffer)], [1.5, -2]);
      assert.deepEqual(expression, { kind: "range", file: PATH, offset, bytes: 8, dtype: "F32", shape: [2] });
    }
  });

  it("of big-endian machines are read in their order", async () => {
    const { tensors } = await open(archive(pickle([dict({ w: tensor(), b: tensor({ key: "1", type: "ByteStorage" }) })]), DATA, { name: "m/data/1", data: "ab" }, { name: "m/byteorder", data: "big" }));
    assert.deepEqual(tensors.map(({ expression }) => expression?.kind === "range" && expression.order), ["big", undefined]);
  });

  it("with the negative bit are negated", async () => {
    const bits = call(global("collections", "OrderedDict"), list(tuple(text("neg"), op("\x88"))));
    const [plain, negated] = (await open(object(dict({ a: tensor(), b: tensor({ bits: dict({ neg: op("\x88") }) }), c: tensor({ bits }) })))).tensors.map(({ expression }) => expression!.kind);
    assert.deepEqual([plain, negated], ["range", "compute"]);
  });

  it("of protocols 0 and 1 are read", async () => {
    const rest = "(I1\nL99999999999999999999L\nF0.5\nFinf\nI01\nI00\nNS'a\\x62\\n'\nV\\u00e9\\n\nU\x02ok";
    const { metadata } = await open(archive(pickle([op(`(dp0\nS'list'\np1\n${rest}lp2\ns`)], 0)));
    assert.deepEqual(Object.values(metadata), [1, "99999999999999999999", 0.5, "Infinity", true, false, null, "ab\n", "é\\n", "ok"]);
  });

  it("may refer to themselves", async () => {
    const { tensors } = await open(object(op("]q\0"), op("h\0a"), tensor(), op("a")));
    assert.deepEqual(tensors.map(({ name }) => name), ["1"]);
  });

  it("may name two tensors alike", async () => {
    const { tensors, findings } = await open(object(dict({ "a.b": tensor(), a: dict({ b: tensor() }) })));
    assert.deepEqual(tensors.map(({ name, sharedWith }) => [name, sharedWith]), [["a.b", ["a.b (2)"]], ["a.b (2)", ["a.b"]]]);
    assert.match(messagesOf({ findings } as Checkpoint)[0]!, /^warning: Different tensors have the name "a\.b"/);
  });

  it("of which a key comes twice are what a dict would be", async () => {
    const { metadata } = await open(object(op("}("), text("a"), int(1), text("b"), int(2), text("a"), int(3), op("u")));
    assert.deepEqual(Object.entries(metadata), [["a", 3], ["b", 2]]);
  });

  it("take names of Object.prototype as names", async () => {
    const { metadata, tensors } = await open(object(dict({ ["__proto__"]: int(1), constructor: tensor() }), op("\x30}("), text("__proto__"), int(1), text("constructor"), tensor(), op("u")));
    assert.deepEqual(Object.entries(metadata), [["__proto__", 1]]);
    assert.deepEqual(tensors.map(({ name }) => name), ["constructor"]);
  });

  describe("report what they would run", () => {
    const system = global("posix", "system");
    const RUNS = "error: This file would run `posix.system` when loaded by torch.load (weights_only=False).";
    const cases: [string, Op[], string[]][] = [
      ["by REDUCE", [dict({ w: tensor(), x: call(system, text("id")) })], [RUNS]],
      ["by STACK_GLOBAL", [text("posix"), text("system"), op("\x93"), tuple(text("id")), op("R")], [RUNS]],
      ["by INST", [op("("), text("id"), op("iposix\nsystem\n")], [RUNS]],
      ["by OBJ", [op("("), system, text("id"), op("o")], [RUNS]],
      ["by NEWOBJ", [system, tuple(text("id")), op("\x81")], [RUNS]],
      ["by NEWOBJ_EX", [system, tuple(text("id")), op("}\x92")], [RUNS]],
      ["by BUILD of a class", [system, op("}b")], [RUNS]],
      ["and throw away", [call(system, text("id")), op("0"), dict({})], [RUNS]],
      ["from the memo", [system, op("q\x05"), op("0"), op("h\x05"), tuple(text("id")), op("R")], [RUNS]],
      ["through a tensor's subclass", [call(global("torch._tensor", "_rebuild_from_type_v2"), system, global("torch", "Tensor"), tuple(text("id")), op("}"))], [RUNS]],
      ["on Windows", [call(global("nt", "system"), text("calc"))], ["error: This file would run `nt.system` when loaded by torch.load (weights_only=False)."]],
      ["under Python 2's names", [call(global("__builtin__", "eval"), text("1"))], ["error: This file would run `builtins.eval` when loaded by torch.load (weights_only=False)."]],
      ["by looking it up", [call(call(global("pkgutil", "resolve_name"), text("os:system")), text("id"))], ["error: This file would run `pkgutil.resolve_name` when loaded by torch.load (weights_only=False)."]],
      ["or only mention", [dict({ f: system })], ["warning: This file refers to `posix.system`, which torch.load imports only with weights_only=False."]],
    ];
    for (const [what, ops, says] of cases) it(what, async () => assert.deepEqual(messagesOf(await open(object(...ops))), says));

    it("before the object", async () => {
      const bytes = Buffer.concat([LEGACY_START[0]!, LEGACY_START[1]!, pickle([call(system, text("id"))]), pickle([LEGACY_TENSOR]), pickle([list(text("0"))]), COUNTED]);
      assert.deepEqual(messagesOf(await open(bytes)), [RUNS]);
    });

    it("with their names made visible", async () => {
      const [message] = messagesOf(await open(object(call(op("cos\u001b[2J\nsystem`\n"), text("id")))));
      assert.equal(message, "error: This file would run `os\\u001b[2J.system`` when loaded by torch.load (weights_only=False).");
    });
  });

  const bomb = Buffer.concat([op("]q\0"), ...Array.from({ length: 40 }, (_, i) => Buffer.concat([op("]("), op("h"), Buffer.from([i]), op("h"), Buffer.from([i]), op("eq"), Buffer.from([i + 1])]))]);
  const cases: { what: string; bytes: Uint8Array; says: RegExp; path?: string }[] = [
    { what: "nothing", bytes: new Uint8Array(), says: /the file has 0 bytes/ },
    { what: "a 7z archive", bytes: Buffer.from("377abcaf271c0004", "hex"), says: /it is a 7z archive/ },
    { what: "a Git LFS pointer", bytes: Buffer.from("version https://git-lfs.github.com/spec/v1\n"), says: /a Git LFS pointer: the file itself has not been downloaded/ },
    { what: "text", bytes: Buffer.from("hello, world"), says: /starts with neither a zip archive, nor a tar archive/ },
    { what: "a plain pickle that runs something", bytes: pickle([call(global("os", "system"), text("id"))]), says: /it is a plain pickle, which would run "os\.system" when loaded/ },
    { what: "no folder", bytes: zipBytes({ members: [{ name: "data.pkl", data: "" }] }), says: /lies in no folder/ },
    { what: "no data.pkl", bytes: zipBytes({ members: [DATA] }), says: /has no "m\/data\.pkl"/ },
    { what: "two members that torch takes for one", bytes: archive(pickle([dict({})]), { name: "m/DATA.pkl", data: "" }), says: /2 members that torch takes for "m\/data\.pkl"/ },
    { what: "an unknown byte order", bytes: archive(pickle([dict({})]), { name: "m/byteorder", data: "middle" }), says: /byte order is "middle"/ },
    { what: "no record of a storage", bytes: archive(pickle([tensor({ key: "9" })]), DATA), says: /no record "m\/data\/9"/ },
    { what: "a record that is too small", bytes: object(tensor({ count: 3, shape: [3] })), says: /has 8 bytes but its storage needs 12/ },
    { what: "a storage of an unknown class", bytes: object(tensor({ type: "WeirdStorage" })), says: /unknown class "torch\.WeirdStorage"/ },
    { what: "a storage of more than any file", bytes: object(tensor({ count: 2 ** 53 - 1 })), says: /beyond any file/ },
    { what: "a tensor beyond its storage", bytes: object(tensor({ offset: 1 })), says: /"model" reaches to element 3 of the storage "m\/data\/0", which has 2/ },
    { what: "strides beyond its storage", bytes: object(tensor({ strides: [2] })), says: /reaches to element 3/ },
    { what: "a negative stride", bytes: object(tensor({ offset: 1, strides: [-1] })), says: /the strides of the tensor "model" has -1/ },
    { what: "a negative length", bytes: object(tensor({ shape: [-1] })), says: /the shape of the tensor "model" has -1/ },
    { what: "a negative offset", bytes: object(tensor({ offset: -1 })), says: /starts at no place/ },
    { what: "fewer strides than axes", bytes: object(tensor({ shape: [1, 2] })), says: /2 axes but 1 strides/ },
    { what: "more elements than can be counted", bytes: object(tensor({ shape: [2 ** 40, 2 ** 40], strides: [0, 0] })), says: /more elements than can be counted/ },
    { what: "65 axes", bytes: object(tensor({ shape: Array<number>(65).fill(1), strides: Array<number>(65).fill(1) })), says: /65 axes, more than 64/ },
    { what: "a stack that is empty", bytes: object(op("R")), says: /empty stack/ },
    { what: "nothing at all on the stack", bytes: archive(op(".")), says: /empty stack/ },
    { what: "a mark that was never set", bytes: object(op("t")), says: /never set/ },
    { what: "a memo entry that was never put", bytes: object(op("h\x07")), says: /takes number 7 from the memo/ },
    { what: "a memo entry far away", bytes: object(op("j"), u32(0xffffffff)), says: /number 4294967295 from the memo/ },
    { what: "a text of 4 GiB", bytes: object(op("X"), u32(0xffffffff)), says: /data\.pkl ends in the middle of its pickle: the opcode at byte 2 of it needs 4,294,967,295 more bytes/ },
    { what: "bytes of 2^63", bytes: object(op("\x8e"), u64(2n ** 63n)), says: /says a length of 9,223,372,036,854,775,808/ },
    { what: "a frame beyond the end", bytes: object(op("\x95"), u64(1000n)), says: /needs 1,000 more bytes/ },
    { what: "an integer of 2^31 bytes", bytes: object(op("\x8b"), u32(0x7fffffff)), says: /more bytes than are there/ },
    { what: "an integer of 10,000 bytes", bytes: object(op("\x8b"), u32(10_000), Buffer.alloc(10_000, 7)), says: /more than 4,300 digits/ },
    { what: "an integer of a million digits", bytes: object(op(`L${"9".repeat(1e6)}L\n`)), says: /more than 4,300 digits/ },
    { what: "a negative length of text", bytes: object(op("T\xff\xff\xff\xff")), says: /negative length/ },
    { what: "protocol 6", bytes: archive(pickle([op("N")], 6)), says: /protocol 6/ },
    { what: "what is no opcode", bytes: object(op("\xff")), says: /the byte 0xff, which is no opcode/ },
    { what: "an extension code", bytes: object(op("\x82\x01")), says: /extension code/ },
    { what: "a buffer from outside", bytes: object(op("\x97")), says: /buffer from outside/ },
    { what: "a global that is no text", bytes: object(int(1), int(2), op("\x93")), says: /something other than text/ },
    { what: "arguments that are no tuple", bytes: object(global("os", "system"), text("x"), op("R")), says: /no tuple/ },
    { what: "a key without a value", bytes: object(op("}("), int(1), op("u")), says: /key without a value/ },
    { what: "an item for what is no list", bytes: object(int(1), int(2), op("a")), says: /no list/ },
    { what: "lists that double forty times", bytes: object(bomb, tensor(), op("a")), says: /refer to each other so often|more than/ },
    { what: "lists in each other a hundred thousand deep", bytes: object(op("]".repeat(100_000)), op("a".repeat(99_999))), says: /nested deeper than 1,000 levels/ },
    { what: "a long name on every level", bytes: object(op("]"), op("}"), ...Array.from({ length: 900 }, () => Buffer.concat([text("k".repeat(2000)), op("}")])), tensor(), op("0"), op("s".repeat(900)), op("a")), says: /characters together|no dict/ },
    { what: "five million objects", bytes: object(op("]".repeat(5e6))), says: /more than 1,\d+,\d+ objects/ },
    { what: "marks without end", bytes: object(op("(".repeat(5e6))), says: /more than 100,000 marks/ },
    { what: "a legacy storage of another size", bytes: legacy(LEGACY_TENSOR, ["0"], u64(3n), DATA.data), says: /"0" has 3 elements at byte \d+, but its tensors say 2/ },
    { what: "a legacy storage cut short", bytes: legacy(LEGACY_TENSOR, ["0"], COUNTED.subarray(0, -1)), says: /incomplete: the storage "0" would end/ },
    { what: "a legacy storage without an end", bytes: legacy(LEGACY_TENSOR, ["0"], u64(2n ** 63n), DATA.data), says: /-9,223,372,036,854,775,808 elements/ },
    { what: "a legacy storage that is not listed", bytes: legacy(LEGACY_TENSOR, []), says: /"0" is not in the list/ },
    { what: "a legacy storage that nothing has", bytes: legacy(LEGACY_TENSOR, ["0", "1"], COUNTED, COUNTED), says: /names "1", which no tensor has/ },
    { what: "a legacy storage listed twice", bytes: legacy(LEGACY_TENSOR, ["0", "0"], COUNTED, COUNTED), says: /names "0" twice/ },
    { what: "a legacy view outside its storage", bytes: legacy(tensor({ view: tuple(text("v"), int(1), int(2)) }), ["0"], COUNTED), says: /view of the storage "0" lies outside/ },
    { what: "something after the legacy storages", bytes: legacy(LEGACY_TENSOR, ["0"], COUNTED, Buffer.from("!")), says: /1 bytes after the last storage/ },
    { what: "another legacy version", bytes: Buffer.concat([LEGACY_START[0]!, pickle([int(7)])]), says: /the version 7; only 1001/ },
    { what: "the legacy magic number alone", bytes: LEGACY_START[0]!, says: /the legacy header ends in the middle/ },
  ];
  for (const { what, bytes, says, path } of cases) it(`are refused: ${what}`, () => refused(bytes, says, path));

  it("are read although the checksum of their pickle is wrong, which is said", async () => {
    const bytes = zipBytes({ members: [{ name: "m/data.pkl", data: pickle([dict({ n: int(1) })]), says: { crc32: 1 } }] });
    assert.match(messagesOf(await open(bytes)).join(), /^warning: The record "m\/data\.pkl" does not match its checksum/);
  });

  it("say that they hold a second model", async () => {
    const bytes = archive(pickle([dict({ n: int(1) })]), { name: "other/data.pkl", data: pickle([call(global("os", "system"))]) });
    assert.deepEqual(messagesOf(await open(bytes)), ['warning: The archive also holds "other/data.pkl", which torch.load does not read.']);
  });

  it("cut anywhere are refused", async () => {
    const whole = [object(dict({ w: tensor() })), legacy(LEGACY_TENSOR, ["0"], COUNTED)];
    for (const bytes of whole) for (let length = 0; length < bytes.length; length++) await refused(bytes.subarray(0, length), /./);
    const data = pickle([dict({ w: tensor() })]);
    for (let length = 0; length < data.length; length++) await refused(archive(data.subarray(0, length)), /./);
  });

  it("open consistently or are refused whatever happens to the bytes of the reference files", async () => {
    const sources = referenceFiles("torch").filter((path) => !path.endsWith(".json")).map((path) => new Uint8Array(readFileSync(path))).filter(({ length }) => length < 20_000);
    await fc.assert(fc.asyncProperty(fc.constantFrom(...sources), fc.integer(), async (bytes, seed) => {
      await consistent(mutate(bytes, new Random(seed)));
    }), { numRuns: 1500 });
  });

  it("open consistently or are refused whatever their pickle says", async () => {
    const pickles = [pickle([dict({ w: tensor(), n: list(int(1), tensor({ shape: [1, 2], strides: [2, 1] })) })]), pickle([call(global("a", "b"), tensor()), dict({ x: tensor() }), op("b")])];
    await fc.assert(fc.asyncProperty(fc.constantFrom(...pickles), fc.integer(), async (bytes, seed) => {
      await consistent(archive(mutate(bytes, new Random(seed))));
    }), { numRuns: 1500 });
  });
});

/** Opened, and every tensor's elements lie in the file; or refused in one sentence. */
async function consistent(bytes: Uint8Array): Promise<void> {
  let checkpoint: Checkpoint;
  try {
    checkpoint = await open(bytes);
  } catch (error) {
    assert.ok(error instanceof CheckpointError, error instanceof Error ? error.stack : String(error));
    assert.ok(error.message.length > 0 && error.message.length < 1000);
    // eslint-disable-next-line no-control-regex
    assert.doesNotMatch(error.message, /[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/);
    return;
  }
  const names = new Set<string>();
  for (const { name, shape, parameters, bytes: size, offset, expression, unreadable, load } of checkpoint.tensors) {
    assert.ok(!names.has(name), `${name} twice`);
    names.add(name);
    assert.ok([expression !== null, unreadable !== undefined, load !== undefined].filter(Boolean).length === 1, "one way to read it, or a reason");
    assert.equal(parameters, shape.includes(0) ? 0 : shape.reduce((a, b) => a * b, 1));
    assert.ok(Number.isSafeInteger(size));
    if (offset !== null) assert.ok(offset >= 0 && offset + size <= bytes.length, `${name}: ${offset} + ${size} of ${bytes.length}`);
    const range = expression?.kind === "strided" ? expression.of : expression;
    if (range?.kind !== "range") continue;
    assert.ok(range.offset >= 0 && range.offset + range.bytes <= bytes.length);
    if (expression?.kind === "strided" && parameters > 0) assert.ok(expression.shape.reduce((end, length, axis) => end + (length - 1) * expression.strides[axis]!, 0) < range.shape[0]!);
  }
}

