/**
 * The engine's protocol, held together from this side: every sample in `messages.json` (which the engine's own test parses
 * and prints again) is assignable to the types in `src/engine/protocol.ts`, the real engine takes the samples' parameters
 * and answers with those types, and both refuse fields that are not in them.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { EngineClient } from "../../src/engine/client";
import { EngineError } from "../../src/engine/error";
import { bundledEngine } from "../../src/engine/locate";
import type { EngineMethod, EngineRequests } from "../../src/engine/protocol";
import { root, Scratch } from "../files";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
interface Sample {
  method: EngineMethod;
  params: { [key: string]: Json };
  result: Json;
}
interface Claim {
  method: EngineMethod;
  part: "params" | "result";
  value: Json;
}

const METHODS: EngineMethod[] = ["initialize", "statistics", "histogram", "norms", "spectrum", "picture", "values", "blockScales", "hash", "write", "cut", "difference", "relations", "residual", "lineHashes", "match", "subspaces", "shutdown"];
const samples = JSON.parse(readFileSync(join(root, "test", "contract", "messages.json"), "utf8")) as Sample[];

describe("engine contract", () => {
  it("has a sample of every method, and of no other", () => {
    assert.deepEqual([...new Set(samples.map(({ method }) => method))].sort(), [...METHODS].sort());
    // Fails to compile when a method is added to the protocol and not here.
    const all: Record<EngineMethod, true> = { initialize: true, statistics: true, histogram: true, norms: true, spectrum: true, picture: true, values: true, blockScales: true, hash: true, write: true, cut: true, difference: true, relations: true, residual: true, lineHashes: true, match: true, subspaces: true, shutdown: true };
    assert.deepEqual(Object.keys(all).sort(), [...METHODS].sort());
  });

  it("types every sample", function () {
    this.timeout(60_000);
    const claims = samples.flatMap(({ method, params, result }): Claim[] => [{ method, part: "params", value: params }, { method, part: "result", value: result }]);
    assert.deepEqual(complaints(claims), claims.map(() => []));
  });

  it("refuses, in its types, a field it does not know and a field that is missing, wherever they are", function () {
    this.timeout(60_000);
    const broken = samples.flatMap(({ method, params, result }): Claim[] =>
      ([["params", params], ["result", result]] as const).flatMap(([part, value]) => [...mutants(value)].map((mutant) => ({ method, part, value: mutant }))),
    );
    assert.ok(broken.length > 50);
    const found = complaints(broken);
    for (const [i, claim] of broken.entries()) assert.ok(found[i]!.length > 0, `accepted: ${JSON.stringify(claim)}`);
  });

  describe("over the wire", () => {
    let scratch: Scratch;
    let engine: EngineClient;
    let file: string;
    before(async () => {
      scratch = new Scratch();
      // As the high byte of any float type these are ordinary numbers.
      file = scratch.write("data.bin", Uint8Array.from({ length: 1 << 20 }, (_, i) => 0x30 + ((i * 7 + (i >> 5)) & 0xf)));
      engine = await EngineClient.start(bundledEngine(join(root, "dist")));
    });
    after(async () => {
      await engine.dispose();
      scratch.remove();
    });
    const send = (method: EngineMethod, params: Json): Promise<Json> => engine.request(method, params as unknown as EngineRequests[EngineMethod]["params"]) as unknown as Promise<Json>;
    const asked = samples.filter(({ method }) => method !== "shutdown");

    it("takes the parameters of every sample and answers with the typed result", async function () {
      this.timeout(60_000);
      const claims: Claim[] = [];
      for (const { method, params } of asked) claims.push({ method, part: "result", value: await send(method, onFile(params, file)) });
      assert.deepEqual(complaints(claims), claims.map(() => []));
    });

    it("refuses parameters with a field it does not know, or without one it needs", async () => {
      for (const { method, params } of asked) {
        for (const mutant of mutants(onFile(params, file))) {
          const error: unknown = await send(method, mutant).then(() => assert.fail(`accepted: ${method} ${JSON.stringify(mutant)}`), (reason: unknown) => reason);
          assert.ok(error instanceof EngineError && error.code === "invalidParams", `${method} ${JSON.stringify(mutant)}: ${String(error)}`);
          assert.ok(error.message.length > 0 && !error.message.includes("\n"));
        }
      }
    });

    it("refuses methods it does not know, and answers the next", async () => {
      await assert.rejects(send("no-such-method" as EngineMethod, {}), EngineError);
      assert.equal(typeof await send("hash", onFile(samples.find(({ method }) => method === "hash")!.params, file)), "object");
    });

    it("ends when told to shut down", async () => {
      const other = await EngineClient.start(bundledEngine(join(root, "dist")));
      assert.equal(await other.request("shutdown", {}), null);
      await other.dispose();
      assert.deepEqual([(await other.ended).code, (await other.ended).signal], [0, null]);
    });
  });
});

/** What the compiler has against each value's being of its type; literals are checked for excess fields at every depth. */
function complaints(claims: readonly Claim[]): string[][] {
  const name = join(root, "test", "contract", "claims.ts");
  const lines = [
    `import type { EngineRequests } from "../../src/engine/protocol";`,
    ...claims.map(({ method, part, value }, i) => `export const v${i}: EngineRequests["${method}"]["${part}"] = ${JSON.stringify(value)};`),
  ];
  const config = ts.readConfigFile(join(root, "tsconfig.json"), (path) => ts.sys.readFile(path)).config as { compilerOptions: object };
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  const host = ts.createCompilerHost(options);
  const { getSourceFile } = host;
  host.getSourceFile = (path, ...rest) => (path === name ? ts.createSourceFile(path, lines.join("\n"), ts.ScriptTarget.ES2022) : getSourceFile.call(host, path, ...rest));
  const program = ts.createProgram([name], { ...options, types: [] }, host);
  const source = program.getSourceFile(name);
  const found: string[][] = claims.map(() => []);
  for (const { start, messageText } of [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)]) {
    const line = source!.getLineAndCharacterOfPosition(start!).line;
    assert.ok(line > 0, ts.flattenDiagnosticMessageText(messageText, " "));
    found[line - 1]!.push(ts.flattenDiagnosticMessageText(messageText, " "));
  }
  return found;
}

const OPTIONAL = new Set(["progressToken", "range", "errorBound", "residuals", "flattenedFrom", "order", "tolerance", "detail", "worstBlocks"]);
/** Optional in some objects and required in others: by a key that only the former have, its value, and the field. */
const OPTIONAL_BESIDE = [["mode", "top", "k"], ["backend", null, "seed"], ["name", "clamp", "low"], ["name", "clamp", "high"], ["maxAt", null, "histogram"], ["maxAt", null, "rows"], ["maxAt", null, "columns"], ["tensors", null, "base"], ["kind", "merge", "base"], ["kind", "magnitude", "cuts"], ["name", "passthrough", "scale"]] as const;

function isOptional(key: string, object: { [key: string]: Json }): boolean {
  return OPTIONAL.has(key) || OPTIONAL_BESIDE.some(([beside, value, field]) => field === key && beside in object && (value === null || object[beside] === value));
}

/** `value` with a field added to one of its objects, or a required one removed, in each possible place. */
function* mutants(value: Json): Generator<Json> {
  if (Array.isArray(value)) {
    for (const [i, element] of value.entries()) for (const mutant of mutants(element)) yield value.with(i, mutant);
  } else if (typeof value === "object" && value !== null) {
    yield { ...value, unknownField: 1 };
    for (const [key, child] of Object.entries(value)) {
      if (!isOptional(key, value)) yield Object.fromEntries(Object.entries(value).filter(([name]) => name !== key));
      for (const mutant of mutants(child)) yield { ...value, [key]: mutant };
    }
  }
}

/** The parameters with every byte range in a real file. */
function onFile(value: { [key: string]: Json }, file: string): { [key: string]: Json } {
  return JSON.parse(JSON.stringify(value), (key, child: Json) => (key === "file" ? file : key === "offset" && Number(child) > 1 << 16 ? 64 : child)) as { [key: string]: Json };
}
