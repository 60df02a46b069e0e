/** `merge` as scripts see it: documents, exit statuses, flags; and runs that are interrupted, killed and gone on with, to the same bytes. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { MergePreviewDocument } from "../../../src/cli/merge-preview";
import { shardBytes } from "../../../src/cli/merge-options";
import type { Merge, Preflight } from "../../../src/protocol/results";
import { fixtures, headerOf, safetensorsBytes, Scratch } from "../../files";
import { json, weightLoupe, type Run } from "./command-line";

const SET = join(fixtures, "merge");
const caseOf = (name: string): string => join("cases", name, "recipe.yml");

describe("merge", () => {
  let scratch: Scratch;
  let out: string;
  beforeEach(() => {
    scratch = new Scratch();
    out = join(scratch.folder, "out");
  });
  afterEach(() => scratch.remove());
  const merge = (args: readonly string[], cwd = SET): Promise<Run> => weightLoupe(["merge", ...args], { cwd });

  it("prints what was written, with sizes and hashes; and what it takes, before", async () => {
    const before = await json<Preflight>(["merge", caseOf("shards"), "-o", out, "--no-copy-tokenizer", "--out-shard-size", "12k", "--dry-run"], { cwd: SET });
    assert.ok(before.ok && !existsSync(out));
    const done = await json<Merge>(["merge", caseOf("shards"), "-o", out, "--no-copy-tokenizer", "--out-shard-size", "12k"], { cwd: SET });
    assert.ok(done.ok && done.output !== null && done.seconds > 0 && done.peakMemoryBytes > 0);
    assert.equal(done.output.path, out);
    assert.deepEqual(done.plan!.files.map((name) => join(out, name)), done.output.files.map(({ path }) => path));
    assert.deepEqual(done.plan!.files, before.plan!.files);
    assert.deepEqual(readdirSync(out).sort(), [...before.plan!.files].sort());
    assert.deepEqual(readdirSync(scratch.folder), ["out"]);
  });

  it("gives an array for several documents, of which only the unnamed one is written", async () => {
    const documents = await json<Merge[]>(["merge", caseOf("multi-two"), "-o", out, "--no-copy-tokenizer"], { cwd: SET });
    assert.deepEqual(documents.map(({ ok, output }) => [ok, output?.path ?? null]), [[true, null], [true, out]]);
  });

  it("writes each of several named documents into a folder of its own", async () => {
    const model = (name: string): string => `name: ${name}\nmerge_method: linear\nmodels:\n  - model: models/llama-a\n    parameters: {weight: 1}\n`;
    const recipe = scratch.write("two.yml", `${model("one")}---\n${model("two")}`);
    const documents = await json<Merge[]>(["merge", recipe, "-o", out, "--no-copy-tokenizer"], { cwd: SET });
    assert.deepEqual(documents.map(({ output }) => output?.path), [join(out, "one"), join(out, "two")]);
    assert.deepEqual(readdirSync(out).sort(), ["one", "two"]);
  });

  it("ends with status 1 and writes nothing where preflight finds an error, with its line", async () => {
    for (const extra of [[], ["--dry-run"]]) {
      const { status, stdout } = await merge([caseOf("err-unknown-method"), "-o", out, "--json", ...extra]);
      const document = JSON.parse(stdout) as Preflight;
      assert.deepEqual([status, document.ok, document.plan, document.problems[0]!.line], [1, false, null, 11]);
    }
    const { status, stdout } = await merge([caseOf("err-unknown-method"), "-o", out]);
    assert.match(stdout, /^cases.err-unknown-method.recipe\.yml:11:\d+: error: /);
    assert.deepEqual([status, readdirSync(scratch.folder)], [1, []]);
  });

  it("takes mergekit's flags: those without effect are noted", async () => {
    const { status, stderr } = await merge([caseOf("linear-default"), "--dry-run", "--cuda", "--no-lazy-unpickle", "--num-threads", "4", "--lora-merge-cache", "/tmp", "--no-write-model-card"]);
    assert.deepEqual([status, stderr], [0, "note: --cuda, --no-lazy-unpickle, --lora-merge-cache, --num-threads have no effect here\n"]);
    assert.deepEqual(["5B", "12k", "1.5M", "0", "77", "2GB"].map(shardBytes), [5e9, 12e3, 1.5e6, 0, 77, 2e9]);
  });

  it("says in one sentence what it does not understand", async () => {
    const recipe = caseOf("linear-default");
    for (const [args, line] of [
      [[], "merge needs a RECIPE: a YAML file in mergekit's format"],
      [[recipe], `${recipe}: merge needs -o OUT: the folder to write; or --dry-run, or --preview GLOB`],
      [[recipe, out], `${recipe}: merge takes one RECIPE; what is ${JSON.stringify(out)}? The folder to write is given by -o`],
      [["none.yml", "-o", out], "none.yml: there is no such file"],
      [[recipe, "-o", out, "--profile", "papers"], `${recipe}: --profile papers is no profile: mergekit or paper`],
      [[recipe, "-o", out, "--seed", "1", "--random-seed", "2"], `${recipe}: --seed and --random-seed are two names of one thing; give one`],
      [[recipe, "-o", out, "--out-shard-size", "many"], `${recipe}: --out-shard-size many is no size: a number of bytes, perhaps with K, M or B, as in 5B`],
      [[recipe, "-o", out, "--copy-tokenizer", "--no-copy-tokenizer"], `${recipe}: --copy-tokenizer and --no-copy-tokenizer exclude each other`],
      [[recipe, "--preview", "nothing"], `${recipe}: the merge has no tensor "nothing"; globs such as "**nothing*" find names by part`],
    ] as const) {
      const { status, stderr } = await merge(args);
      assert.deepEqual([status, stderr], [2, `weight-loupe: ${line}\n`]);
    }
    const binary = scratch.write("binary.yml", Uint8Array.of(0xff, 0xfe, 0x80));
    assert.match((await merge([binary, "-o", out])).stderr, /this is no recipe: it is not UTF-8 text\n$/);
  });

  it("refuses an output that is an input, and leaves it alone", async () => {
    const folder = join(SET, "models", "llama-a");
    const before = readdirSync(folder).map((name) => readFileSync(join(folder, name)).toString("hex"));
    const { status } = await merge([caseOf("linear-default"), "-o", join("models", "llama-a")]);
    assert.notEqual(status, 0);
    assert.deepEqual(readdirSync(folder).map((name) => readFileSync(join(folder, name)).toString("hex")), before);
    assert.ok(!readdirSync(join(SET, "models")).some((name) => name.startsWith(".")));
  });

  it("measures what the merge does, without a file", async () => {
    const { preview } = await json<MergePreviewDocument>(["merge", caseOf("ties-density"), "--preview", "**q_proj.weight"], { cwd: SET });
    assert.ok(preview!.tensors.length > 0 && preview!.tensors.every(({ results: [result] }) => result !== null && result!.norm > 0));
    const { stdout } = await merge([caseOf("ties-density"), "--preview", "**q_proj.weight"]);
    assert.match(stdout, /^ties {2}changes from the base, beside 1 models\/llama-a/);
  });

  describe("of a large model", () => {
    const TENSORS = 16;
    const BYTES = 12 << 20;
    let recipe: string;
    let whole: string[];
    let inputs: Scratch;
    before(async function () {
      this.timeout(120_000);
      inputs = new Scratch();
      const header = headerOf(Object.fromEntries(Array.from({ length: TENSORS }, (_, i) => [`layers.${i}.weight`, { dtype: "F32", shape: [2048, BYTES / 8192], bytes: BYTES }])), { format: "pt" });
      const data = Float32Array.from({ length: (TENSORS * BYTES) / 4 }, (_, i) => (i % 8191) - 4000.5);
      inputs.write("model/model.safetensors", safetensorsBytes(header, new Uint8Array(data.buffer)));
      inputs.write("model/config.json", { model_type: "plain", architectures: ["Plain"], num_hidden_layers: TENSORS });
      recipe = inputs.write("recipe.yml", "merge_method: linear\nmodels:\n  - model: model\n    parameters: {weight: 0.3}\nparameters: {normalize: false}\ndtype: float32\n");
      whole = hashes(await json<Merge>(["merge", recipe, "-o", join(inputs.folder, "whole")], { cwd: inputs.folder }));
    });
    after(() => inputs.remove());
    const hashes = ({ output }: Merge): string[] => output!.files.filter(({ path }) => !path.endsWith("README.md")).map(({ sha256 }) => sha256);
    const journal = (): number => {
      const file = join(scratch.folder, ".out.merging", "journal");
      return existsSync(file) ? readFileSync(file, "utf8").split("\n").length - 2 : 0;
    };
    /** Runs the merge and calls `act` once some tensors are in its journal. */
    const interrupted = (act: (pid: number) => void): Promise<Run> =>
      weightLoupe(["merge", recipe, "-o", out], {
        cwd: inputs.folder,
        started: (child) => {
          const look = setInterval(() => {
            if (journal() < 1) return;
            clearInterval(look);
            act(child.pid!);
          }, 2);
          child.once("close", () => clearInterval(look));
        },
      });
    const resumed = async (): Promise<void> => {
      assert.ok(!existsSync(out), "nothing has the output's name");
      const done = journal();
      assert.ok(done >= 1, `${done} tensors are done`);
      assert.deepEqual(hashes(await json<Merge>(["merge", recipe, "-o", out, "--resume"], { cwd: inputs.folder })), whole);
      assert.deepEqual(readdirSync(scratch.folder), ["out"]);
    };

    it("goes on after it was killed, to the same bytes", async function () {
      this.timeout(120_000);
      await interrupted((pid) => process.kill(pid, "SIGKILL"));
      await resumed();
    });

    it("ends on Ctrl-C with status 130, and goes on later", async function () {
      this.timeout(120_000);
      const { status, stdout } = await interrupted((pid) => process.kill(pid, "SIGINT"));
      assert.deepEqual([status, stdout], [130, ""]);
      await resumed();
    });

    it("outlives its engine, which is started again", async function () {
      if (process.platform !== "linux") this.skip();
      this.timeout(120_000);
      const { status, stderr } = await interrupted((pid) => {
        const [engine] = execFileSync("pgrep", ["-P", String(pid)], { encoding: "utf8" }).trim().split("\n");
        process.kill(Number(engine), "SIGKILL");
      });
      assert.equal(status, 0, stderr);
      assert.ok(readFileSync(join(out, "model.safetensors")).equals(readFileSync(join(inputs.folder, "whole", "model.safetensors"))));
    });

    it("says that the disk is full half-way, and goes on when there is room", async function () {
      this.timeout(120_000);
      const disk = join(scratch.folder, "disk");
      mkdirSync(disk);
      const size = TENSORS * BYTES + (40 << 20);
      // Only where one may mount a disk of one's own.
      if (process.platform !== "linux" || spawnSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", disk]).status !== 0) this.skip();
      try {
        const output = join(disk, "out");
        const written = join(disk, ".out.merging", "journal");
        const filler = join(disk, "filler");
        const { status, stderr } = await weightLoupe(["merge", recipe, "-o", output], {
          cwd: inputs.folder,
          started: (child) => {
            const look = setInterval(() => {
              if (!existsSync(written)) return;
              clearInterval(look);
              // Another program takes what is left.
              spawnSync("dd", ["if=/dev/zero", `of=${filler}`, "bs=1M"], { stdio: "ignore" });
            }, 2);
            child.once("close", () => clearInterval(look));
          },
        });
        assert.equal(status, 2, stderr);
        assert.match(stderr, /room/);
        assert.ok(!existsSync(output));
        rmSync(filler);
        assert.deepEqual(hashes(await json<Merge>(["merge", recipe, "-o", output, "--resume"], { cwd: inputs.folder })), whole);
      } finally {
        spawnSync("umount", [disk]);
      }
    });

    it("stops where an input changed before it was resumed", async function () {
      this.timeout(120_000);
      await interrupted((pid) => process.kill(pid, "SIGKILL"));
      const model = join(inputs.folder, "model", "model.safetensors");
      const bytes = readFileSync(model);
      bytes[bytes.length - 1]! ^= 1;
      writeFileSync(model, bytes);
      const { status, stderr } = await weightLoupe(["merge", recipe, "-o", out, "--resume"], { cwd: inputs.folder });
      assert.equal(status, 2);
      assert.match(stderr, /the file changed since the unfinished merge was begun; begin it again, without resuming\n$/);
      assert.ok(!existsSync(out));
    });
  });
});
