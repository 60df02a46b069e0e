/** Of damaged files, the same are refused and opened as by the reference implementation. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fixtures } from "../files";
import { openOrRefuse } from "../malformed/consistency";

interface Verdicts {
  cases: ({ bytes: string; tensors: number } | { bytes: string; refused: string })[];
}

const PATH = "/m/model.safetensors";

describe("safetensors verdicts", () => {
  const { cases } = JSON.parse(readFileSync(join(fixtures, "safetensors", "verdicts.json"), "utf8")) as Verdicts;

  it("opens what the reference opens", async () => {
    for (const verdict of cases) {
      if (!("tensors" in verdict)) continue;
      const checkpoint = await openOrRefuse(PATH, new Map([[PATH, Buffer.from(verdict.bytes, "base64")]]));
      assert.equal(checkpoint?.tensors.length, verdict.tensors, verdict.bytes);
    }
  });

  it("refuses what the reference refuses", async () => {
    for (const verdict of cases) {
      if ("tensors" in verdict) continue;
      const checkpoint = await openOrRefuse(PATH, new Map([[PATH, Buffer.from(verdict.bytes, "base64")]]));
      assert.equal(checkpoint, null, `${verdict.refused}: ${verdict.bytes}`);
    }
  });
});
