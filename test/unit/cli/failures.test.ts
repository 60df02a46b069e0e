/** How the command line ends: exit statuses, error lines, error documents, Ctrl-C, closed pipes. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { headerOf, root, safetensorsBytes, Scratch, vectors } from "../../files";
import { weightLoupe } from "./command-line";
import { PROTOCOL_VERSION } from "../../../src/engine/protocol";

interface ErrorDocument {
  error: { code: string; message: string; file: string; tensor?: string; offset?: number };
}

const MODEL = "examples/robust/base.safetensors";

describe("bad usage", () => {
  const cases: [args: string[], line: string | RegExp][] = [
    [[], "weight-loupe: no command is given: inspect, convert, compare, explain, relations, rank, signature, merge, methods, engine; see --help"],
    [["blend", "x"], 'weight-loupe: there is no command "blend"; there are inspect, convert, compare, explain, relations, rank, signature, merge, methods, engine'],
    [["inspect"], "weight-loupe: inspect needs a FILE: a checkpoint, an index, or a folder with one model"],
    [["inspect", MODEL, "exact"], `weight-loupe: ${MODEL}: inspect takes one FILE; what is "exact"?`],
    [["inspect", MODEL, "--spectra"], "weight-loupe: unknown option --spectra; see --help"],
    [["inspect", MODEL, "-x"], "weight-loupe: unknown option -x; see --help"],
    [["inspect", MODEL, "--__proto__"], "weight-loupe: unknown option --__proto__; see --help"],
    [["inspect", MODEL, "--tensor"], "weight-loupe: --tensor needs a value: --tensor GLOB"],
    [["inspect", MODEL, "--stats=yes"], "weight-loupe: --stats takes no value"],
    [["inspect", MODEL, "--stats", "--stats"], "weight-loupe: --stats is given twice"],
    [["inspect", MODEL, "--spectrum=top:0"], `weight-loupe: ${MODEL}: --spectrum=top:0 is no mode: write exact, fast, or top:K with K from 1 to 4096`],
    [["inspect", MODEL, "--tensor", "conv9.weight"], `weight-loupe: ${MODEL}: there is no tensor "conv9.weight"; globs such as "**conv9.weight*" find names by part`],
    [["inspect", MODEL, "--tensor", "/(/"], `weight-loupe: ${MODEL}: the regular expression /(/ is not valid: unterminated group`],
    [["inspect", "no/such.safetensors"], "weight-loupe: no/such.safetensors: there is no such file"],
    [["inspect", "package.json"], /^weight-loupe: package\.json: this is not a checkpoint/],
    [["inspect", "src"], /^weight-loupe: src: the folder holds no checkpoint/],
    [["engine", "x"], 'weight-loupe: x: engine takes no operand; what is "x"?'],
  ];
  for (const [args, line] of cases) {
    it(["weight-loupe", ...args].join(" "), async () => {
      const plain = await weightLoupe(args);
      assert.deepEqual([plain.status, plain.stdout], [2, ""]);
      if (typeof line === "string") assert.equal(plain.stderr, `${line}\n`);
      else assert.match(plain.stderr, line);

      const documented = await weightLoupe([...args, "--json"]);
      assert.equal(documented.status, 2);
      assert.equal(documented.stderr.trimEnd().split("\n").at(-1), plain.stderr.trimEnd());
      const { error } = JSON.parse(documented.stdout) as ErrorDocument;
      assert.ok(plain.stderr.includes(error.message) && plain.stderr.includes(error.file) && error.code !== "");
    });
  }

  it("takes what follows -- as operands", async () => {
    const { status, stderr } = await weightLoupe(["inspect", "--", "--json"]);
    assert.deepEqual([status, stderr], [2, "weight-loupe: --json: there is no such file\n"]);
  });
});

describe("unreadable input", () => {
  let scratch: Scratch;
  beforeEach(() => (scratch = new Scratch()));
  afterEach(() => scratch.remove());

  it("names file, tensor and byte", async () => {
    const file = scratch.write("cut.safetensors", vectors({ a: 4, b: 4 }).subarray(0, -2));
    const { status, stdout, stderr } = await weightLoupe(["inspect", file, "--json", "--stats"]);
    assert.equal(status, 2);
    const { error } = JSON.parse(stdout) as ErrorDocument;
    assert.equal(error.file, file);
    assert.ok(["truncated", "malformed"].includes(error.code), error.code);
    assert.ok(stderr.endsWith(`weight-loupe: ${file}: ${error.message}\n`), stderr);
    assert.doesNotMatch(stderr, /\n\s+at /);
  });

  it("shows a stack trace with --verbose only, before the line", async () => {
    const file = scratch.write("bad.safetensors", safetensorsBytes("[]"));
    const { stderr } = await weightLoupe(["inspect", file, "--verbose"]);
    assert.match(stderr, /\n\s+at /);
    assert.match(stderr.trimEnd().split("\n").at(-1)!, /^weight-loupe: .*bad\.safetensors: /);
  });

  it("says which shard is malformed, by its path in the index's folder", async () => {
    scratch.write("model.safetensors.index.json", { weight_map: { a: "1.safetensors", b: "2.safetensors" } });
    scratch.write("1.safetensors", vectors({ a: 1 }));
    scratch.write("2.safetensors", safetensorsBytes("{"));
    const { status, stdout } = await weightLoupe(["inspect", ".", "--json"], { cwd: scratch.folder });
    assert.equal(status, 0);
    const { findings } = JSON.parse(stdout) as { findings: { rule: string; severity: string; message: string }[] };
    assert.deepEqual(findings.map(({ rule, severity }) => [rule, severity]), [["unreadable-shard", "error"]]);
    assert.match(findings[0]!.message, /2\.safetensors/);
  });
});

describe("leaving", () => {
  let scratch: Scratch;
  beforeEach(() => (scratch = new Scratch()));
  afterEach(() => scratch.remove());

  /** A file that takes long to read and no room on the disk. */
  function sparse(gigabytes: number): string {
    const bytes = gigabytes * 2 ** 30;
    const header = safetensorsBytes(headerOf({ large: { dtype: "F32", shape: [bytes / 4], bytes } }));
    const file = join(scratch.folder, "large.safetensors");
    const handle = openSync(file, "w");
    writeSync(handle, header);
    ftruncateSync(handle, header.length + bytes);
    closeSync(handle);
    return file;
  }

  for (const extra of [[], ["--json"]]) {
    it(`Ctrl-C ends it at once and without output ${extra.join("")}`, async () => {
      const file = sparse(400);
      let interrupted = 0;
      const { status, stdout } = await weightLoupe(["inspect", file, "--stats", ...extra], {
        started: (child) => setTimeout(() => {
          interrupted = performance.now();
          child.kill("SIGINT");
        }, 1500),
      });
      assert.ok(interrupted > 0, "it ended before it was interrupted");
      // Reading it all would take minutes.
      assert.ok(performance.now() - interrupted < 10_000, `${performance.now() - interrupted} ms`);
      assert.deepEqual([status, stdout], [130, ""]);
    });
  }

  it("a closed pipe ends it quietly", async () => {
    const tensors = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`tensor.${i}.weight`, { dtype: "U8", shape: [], bytes: 1 }]));
    const file = scratch.write("many.safetensors", safetensorsBytes(headerOf(tensors), 20_000));
    const shell = spawn("sh", ["-c", `"$0" "$1" inspect "$2" --json | head -c 10`, process.execPath, join(root, "dist", "cli.js"), file]);
    let stdout = "";
    let stderr = "";
    shell.stdout.on("data", (chunk) => (stdout += String(chunk)));
    shell.stderr.on("data", (chunk) => (stderr += String(chunk)));
    await new Promise((resolve) => shell.once("close", resolve));
    assert.deepEqual([stdout, stderr], ['{"path":"/', ""]);
  });

  it("needs no engine for the structure, and says what is missing for the rest", async () => {
    const copy = scratch.write("dist/cli.js", readFileSync(join(root, "dist", "cli.js")));
    const run = (args: string[]): Promise<{ status: number | null; output: string }> =>
      new Promise((resolve) => {
        const child = spawn(process.execPath, [copy, ...args]);
        let output = "";
        child.stdout.on("data", (chunk) => (output += String(chunk)));
        child.stderr.on("data", (chunk) => (output += String(chunk)));
        child.once("close", (status) => resolve({ status, output }));
      });
    const model = join(root, MODEL);
    assert.equal((await run(["inspect", model])).status, 0);
    const { status, output } = await run(["inspect", model, "--stats"]);
    assert.equal(status, 2);
    assert.match(output, /^weight-loupe: .*There is no engine at /);
  });
});

describe("engine", () => {
  it("says version, protocol and processors", async () => {
    const { status, stdout } = await weightLoupe(["engine", "--json"]);
    assert.equal(status, 0);
    const document = JSON.parse(stdout) as { version: string; protocol: number; cpu: { features: string[]; threads: number }; gpu: unknown[] };
    assert.match(document.version, /^\d+\.\d+\.\d+$/);
    assert.equal(document.protocol, PROTOCOL_VERSION);
    assert.ok(document.cpu.threads >= 1);
    assert.ok(Array.isArray(document.cpu.features) && Array.isArray(document.gpu));
    assert.match((await weightLoupe(["engine"])).stdout, new RegExp(`^weight-loupe-engine ${document.version} \\(protocol ${PROTOCOL_VERSION}\\)\n`));
  });

  it("--version and --help", async () => {
    assert.match((await weightLoupe(["--version"])).stdout, /^weight-loupe \d+\.\d+\.\d+\n$/);
    assert.match((await weightLoupe(["--help"])).stdout, /usage: weight-loupe COMMAND/);
    const help = (await weightLoupe(["inspect", "--help"])).stdout;
    for (const option of ["--tensor GLOB", "--stats", "--spectrum[=MODE]", "--health", "--json"]) assert.ok(help.includes(option), option);
  });
});
