/** The rules that merges are judged by: they accept what mergekit wrote, and see what is not as it should be. */
import assert from "node:assert/strict";
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fixtures, Scratch } from "../files";
import { checkOutput } from "./merging/check";

const root = join(fixtures, "merge");
const folderOf = (name: string): string => join(root, "cases", name);

describe("rules of the merge conformance set", () => {
  let scratch: Scratch;
  beforeEach(() => (scratch = new Scratch()));
  afterEach(() => scratch.remove());

  it("accept every expected output", () => {
    // Of the template of one of them only the markers are kept.
    for (const name of readdirSync(join(root, "cases")).filter((name) => !name.startsWith("err-") && name !== "chat-template-chatml")) assert.deepEqual(checkOutput(join(folderOf(name), "expected"), folderOf(name), root), [], name);
  });

  /** What is wrong with the expected output of `name` once `change` has been made to it. */
  const problems = (name: string, change: (folder: string) => void): string[] => {
    const folder = join(scratch.folder, name);
    rmSync(folder, { recursive: true, force: true });
    cpSync(join(folderOf(name), "expected"), folder, { recursive: true });
    change(folder);
    return checkOutput(folder, folderOf(name), root);
  };
  /** Changes the data of a safetensors file, from byte `from` of it on. */
  const altered = (folder: string, change: (data: Buffer) => void, file = "model.safetensors"): void => {
    const bytes = readFileSync(join(folder, file));
    change(bytes.subarray(8 + Number(bytes.readBigUInt64LE(0))));
    writeFileSync(join(folder, file), bytes);
  };
  const edited = (folder: string, file: string, from: string, to: string): void => {
    const text = readFileSync(join(folder, file), "utf8");
    assert.ok(text.includes(from), `${file} has ${from}`);
    writeFileSync(join(folder, file), text.replace(from, to));
  };

  it("see one element that is another", () => {
    for (const name of ["linear-default", "ties-bfloat16", "dtype-float16-out-float32", "tokenizer-union"]) {
      assert.match(problems(name, (folder) => altered(folder, (data) => (data[data.length - 1]! ^= 0x01))).join(), /1 of \d+ elements differ/, name);
    }
  });

  it("see random masks with other shares, other factors, or elements that no mask explains", () => {
    for (const name of ["dare-linear-one", "della-default", "dare-ties-overlap"]) {
      const scaled = problems(name, (folder) => altered(folder, (data) => {
        for (let i = 0; i < data.length / 4; i++) data.writeFloatLE(data.readFloatLE(4 * i) * 1.001, 4 * i);
      }));
      assert.ok(scaled.length > 0, name);
    }
  });

  it("see what is wrong beside the weights", () => {
    const name = "copy-tokenizer";
    assert.match(problems(name, (folder) => edited(folder, "config.json", "\"vocab_size\": ", "\"vocab_size\": 1")).join(), /config\.json: vocab_size/);
    assert.match(problems(name, (folder) => edited(folder, "README.md", "library_name: transformers", "")).join(), /front matter lacks library_name/);
    assert.match(problems(name, (folder) => rmSync(join(folder, "tokenizer.json"))).join(), /tokenizer\.json is missing/);
    assert.match(problems(name, (folder) => edited(folder, "tokenizer.json", "\n", " \n")).join(), /tokenizer\.json is no copy/);
    assert.match(problems(name, (folder) => edited(folder, "mergekit_config.yml", "merge_method", "merge-method")).join(), /mergekit_config\.yml is not the recipe/);
    assert.throws(() => problems("shards", (folder) => edited(folder, "model.safetensors.index.json", "\"total_size\": ", "\"total_size\": 1")), /total_size is \d+, and the shards hold/);
  });
});
