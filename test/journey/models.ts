/** Folders and files that journeys open. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import os from "node:os";
import path from "node:path";

/** A temporary folder with a copy of the examples, for one journey to change as it likes. */
export class Workspace {
  readonly folder = mkdtempSync(path.join(os.tmpdir(), "weight-loupe-journey-"));

  constructor(...examples: string[]) {
    for (const example of examples) cpSync(path.join("examples", example), path.join(this.folder, example), { recursive: true });
  }

  path(file: string): string {
    return path.join(this.folder, file);
  }

  write(file: string, content: string | Uint8Array): void {
    mkdirSync(path.dirname(this.path(file)), { recursive: true });
    writeFileSync(this.path(file), content);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /**
   * A model of many layers whose data is one hole: it takes no space on disk.
   * @param layers Each has a square BF16 projection of `width` × `width` and a norm.
   * @returns Its size in bytes.
   */
  async sparse(file: string, layers: number, width: number): Promise<number> {
    mkdirSync(path.dirname(this.path(file)), { recursive: true });
    const tensors = Array.from({ length: layers }, (_, i): [string, number[]][] => [
      [`model.layers.${i}.self_attn.o_proj.weight`, [width, width]],
      [`model.layers.${i}.input_layernorm.weight`, [width]],
    ]).flat();
    return this.#hole(file, tensors, "BF16");
  }

  /** Gives each tensor of a sparse file a few values of its own, by which one that was not written is found out. */
  async mark(file: string, seed: number): Promise<void> {
    const handle = await open(this.path(file), "r+");
    try {
      const length = Buffer.alloc(8);
      await handle.read(length, 0, 8, 0);
      const start = 8 + Number(length.readBigUInt64LE());
      const text = Buffer.alloc(start - 8);
      await handle.read(text, 0, text.length, 8);
      for (const [i, { data_offsets: [begin] }] of Object.values(JSON.parse(text.toString()) as Record<string, { data_offsets: [number, number] }>).entries()) {
        // BF16 of about 0.01 … 1.
        const values = Uint16Array.from({ length: 64 }, (_, at) => 0x3c00 + ((seed * 7919 + i * 104_729 + at * 31) % 0x380));
        await handle.write(Buffer.from(values.buffer), 0, 128, start + begin);
      }
    } finally {
      await handle.close();
    }
  }

  /** The tensors of Llama 2 7B, whose data is one hole. */
  async llama(file: string): Promise<number> {
    const [width, inner, vocabulary] = [4096, 11_008, 32_000];
    const layers = Array.from({ length: 32 }, (_, i): [string, number[]][] => [
      ...["q", "k", "v", "o"].map((kind): [string, number[]] => [`model.layers.${i}.self_attn.${kind}_proj.weight`, [width, width]]),
      [`model.layers.${i}.mlp.gate_proj.weight`, [inner, width]],
      [`model.layers.${i}.mlp.up_proj.weight`, [inner, width]],
      [`model.layers.${i}.mlp.down_proj.weight`, [width, inner]],
      [`model.layers.${i}.input_layernorm.weight`, [width]],
      [`model.layers.${i}.post_attention_layernorm.weight`, [width]],
    ]).flat();
    return this.#hole(file, [["model.embed_tokens.weight", [vocabulary, width]], ...layers, ["model.norm.weight", [width]], ["lm_head.weight", [vocabulary, width]]], "BF16");
  }

  /** A mixture-of-experts model of `count` one-element tensors. */
  async manyTensors(file: string, count: number): Promise<void> {
    const experts = 256;
    const kinds = ["gate_proj", "up_proj", "down_proj"];
    const names: [string, number[]][] = [];
    for (let i = 0; names.length < count; i++) {
      for (let expert = 0; expert < experts; expert++) {
        for (const kind of kinds) if (names.length < count) names.push([`model.layers.${i}.mlp.experts.${expert}.${kind}.weight`, [1]]);
      }
    }
    // As the format's own library orders them.
    names.sort(([one], [other]) => (one < other ? -1 : 1));
    await this.#hole(file, names, "F16");
  }

  /** @returns the file's size in bytes, of which only the header takes space on disk. */
  async #hole(file: string, tensors: [string, number[]][], dtype: "BF16" | "F16"): Promise<number> {
    const { header, bytes } = layOut(tensors, dtype, 2);
    const handle = await open(this.path(file), "w");
    try {
      await handle.write(header);
      await handle.truncate(header.length + bytes);
    } finally {
      await handle.close();
    }
    return header.length + bytes;
  }
}

/** A safetensors file of F32 tensors. */
export function safetensors(tensors: Record<string, { shape: number[]; values: number[] }>): Buffer {
  const { header } = layOut(Object.entries(tensors).map(([name, { shape }]) => [name, shape]), "F32", 4);
  return Buffer.concat([header, ...Object.values(tensors).map(({ values }) => Buffer.from(Float32Array.from(values).buffer))]);
}

function layOut(tensors: [string, number[]][], dtype: string, elementBytes: number): { header: Buffer; bytes: number } {
  let bytes = 0;
  const entries = tensors.map(([name, shape]) => {
    const begin = bytes;
    bytes += shape.reduce((product, size) => product * size, elementBytes);
    return [name, { dtype, shape, data_offsets: [begin, bytes] }] as const;
  });
  const text = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return { header: Buffer.concat([length, text]), bytes };
}
