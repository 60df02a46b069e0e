/** torch's own reading of every form it has written: names, metadata, classes outside its list, bytes and values. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import type { Checkpoint, Tensor } from "../../src/checkpoint/checkpoint";
import { openCheckpoint } from "../../src/checkpoint/registry";
import { isSafeGlobal } from "../../src/checkpoint/torch-globals";
import type { Expression } from "../../src/engine/protocol";
import { evaluate } from "../expressions";
import { fixtures } from "../files";
import { referenceFiles } from "./reference";
import { hashOfF32 } from "./values";

interface Component {
  name: string;
  dtype: string;
  shape: number[];
  sha256_raw?: string;
  sha256_f32?: string;
  first?: (number | string)[];
  layout?: string;
  components?: Component[];
  no_data?: string;
}
interface Expected {
  format: string;
  tensors: Component[];
  metadata: Record<string, unknown>;
  shared_storage?: string[][];
  opaque?: { path: string; class?: string }[];
  findings?: { global: string }[];
}

const folder = join(fixtures, "torch");
const files = referenceFiles("torch");

describe("torch conformance", () => {
  it("finds the reference files", () => assert.ok(files.length >= 44, `${files.length} files`));

  for (const path of files) {
    const expected = JSON.parse(readFileSync(`${path}.expect.json`, "utf8")) as Expected;
    // Components of sparse tensors are listed below them.
    const wanted = expected.tensors.flatMap((tensor) => [tensor, ...(tensor.components ?? []).map((part) => ({ ...part, name: `${tensor.name}.${part.name}` }))]);

    describe(relative(folder, path), () => {
      let checkpoint: Checkpoint;
      let byName: Map<string, Tensor>;
      before(async () => {
        checkpoint = await openCheckpoint(path);
        byName = new Map(checkpoint.tensors.map((tensor) => [tensor.name, tensor]));
      });

      it("lists the same tensors", () => {
        const described = ({ name, dtype, shape }: { name: string; dtype: string; shape: number[] }): string => `${JSON.stringify(name)} ${dtype} [${shape.join()}]`;
        // A quantised tensor's scales and zero points, one for each channel, are no tensors to torch.
        const listed = checkpoint.tensors.filter(({ name }) => !/\.(?:scales|zero_points)$/.test(name)).map(described);
        if (expected.format === "torchscript" || expected.format === "torch-index") assert.deepEqual(listed.sort(), wanted.map(described).sort());
        else assert.deepEqual(listed, wanted.map(described));
      });

      it("shows the same metadata, and the same objects as opaque", () => {
        const opaque = Object.entries(checkpoint.metadata).filter(([, value]) => typeof value === "object" && value !== null);
        assert.deepEqual(opaque.map(([name, value]) => [name, (value as { opaque: unknown }).opaque]), (expected.opaque ?? []).map((object) => [object.path, object.class ?? null]));
        const shown = Object.fromEntries(Object.entries(checkpoint.metadata).filter((entry) => !opaque.some(([name]) => name === entry[0])));
        // The twins of the large tables hold a sample.
        if (!basename(path).startsWith("memo_heavy")) return assert.deepEqual(shown, expected.metadata);
        for (const [name, value] of Object.entries(expected.metadata)) if (value !== null) assert.equal(shown[name], value, name);
      });

      it("reports the same globals", () => {
        const reported = checkpoint.findings.filter(({ rule }) => rule === "unsafe-global").map(({ message }) => /`(.*)`/.exec(message)![1]);
        assert.deepEqual(reported.sort(), (expected.findings ?? []).map(({ global }) => global).sort());
        assert.deepEqual(checkpoint.findings.filter(({ rule }) => rule !== "unsafe-global" && rule !== "holds-code"), []);
      });

      it("knows which tensors share their bytes", () => {
        const groups = new Set(checkpoint.tensors.flatMap(({ name, sharedWith }) => (sharedWith === undefined ? [] : [[name, ...sharedWith].sort().join("\n")])));
        // Empty views have no bytes.
        const twin = (expected.shared_storage ?? []).map((names) => names.filter((name) => byName.get(name)!.parameters > 0).sort().join("\n"));
        assert.deepEqual([...groups].sort(), twin.sort());
      });

      it("finds the same bytes", async () => {
        for (const { name, sha256_raw } of wanted) {
          const tensor = byName.get(name)!;
          const bytes = rawBytes((await expressionOf(tensor)) ?? stored(tensor, path));
          if (bytes !== null && sha256_raw !== undefined && !(basename(path) === "conj_and_neg.pt" && name.startsWith("conj"))) {
            assert.equal(createHash("sha256").update(bytes).digest("hex"), sha256_raw, name);
          }
        }
      });

      it("finds the same values", async () => {
        for (const { name, first, sha256_f32, no_data, layout } of wanted) {
          const tensor = byName.get(name)!;
          const expression = await expressionOf(tensor);
          if (expression === null) {
            assert.ok(no_data !== undefined || layout !== undefined || /^C\d|^F4_E2M1_X2|^QUINT4X2/.test(tensor.dtype), name);
            assert.ok(tensor.unreadable !== undefined);
            continue;
          }
          // Only the engine decodes these; their bytes are compared above.
          if (tensor.dtype.startsWith("F8_")) continue;
          const values = [...evaluate(expression).data];
          // Zeros of either sign are one number here; the hash tells them apart.
          assert.deepEqual(values.slice(0, 8).map((value) => value + 0), first!.map((value) => Number(value) + 0), name);
          if (sha256_f32 !== undefined) assert.equal(hashOfF32(values.map((value) => (Number.isFinite(value) ? value : String(value)))), sha256_f32, name);
        }
      });
    });
  }

  it("has torch's list of safe globals", () => {
    const { globals } = JSON.parse(readFileSync(join(folder, "torch-weights-only-globals.json"), "utf8")) as { globals: string[] };
    assert.deepEqual(globals.filter((name) => !isSafeGlobal(name)), []);
    for (const name of ["posix.system", "builtins.eval", "builtins.getattr", "torch", "torch.load", "torch.FloatStorage.__class__", ""]) assert.equal(isSafeGlobal(name), false, name);
  });
});

async function expressionOf(tensor: Tensor): Promise<Expression | null> {
  return tensor.expression ?? (await tensor.load?.()) ?? null;
}

/** Complex and packed types have a place but no expression. */
function stored({ offset, bytes, parameters }: Tensor, path: string): Expression | null {
  return offset === null ? null : { kind: "range", file: path, offset, bytes, dtype: "U8", shape: [parameters] };
}

const WIDTHS: Readonly<Record<string, number>> = { F64: 8, I64: 8, U64: 8, F32: 4, I32: 4, U32: 4, F16: 2, BF16: 2, I16: 2, U16: 2 };

/** Row-major little-endian bytes of what is stored; null for what is computed. */
function rawBytes(expression: Expression | null): Buffer | null {
  if (expression?.kind === "range") {
    const bytes = Buffer.from(readFileSync(expression.file).subarray(expression.offset, expression.offset + expression.bytes));
    assert.equal(bytes.length, expression.bytes, "the range lies inside the file");
    return bytes;
  }
  if (expression?.kind !== "strided" || expression.of.kind !== "range") return null;
  const { of, offset, shape, strides } = expression;
  const inner = rawBytes(of)!;
  const width = WIDTHS[of.dtype] ?? 1;
  const total = shape.reduce((a, b) => a * b, 1);
  return Buffer.concat(Array.from({ length: total }, (_, flat) => {
    let at = offset;
    for (let axis = shape.length - 1, rest = flat; axis >= 0; axis--) {
      at += (rest % shape[axis]!) * strides[axis]!;
      rest = Math.floor(rest / shape[axis]!);
    }
    assert.ok(at * width + width <= inner.length, "the strides stay inside the range");
    return inner.subarray(at * width, (at + 1) * width);
  }));
}
