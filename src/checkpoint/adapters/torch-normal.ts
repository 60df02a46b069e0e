/** The start of what torch's CPU generator gives for normal values, to tell by which seed stored values were drawn. */

const WORDS = 624;

/** mt19937 as torch seeds it (init_genrand): 32-bit draws, one after the other. */
function mersenneTwister(seed: number): () => number {
  const state = new Uint32Array(WORDS);
  state[0] = seed;
  for (let i = 1; i < WORDS; i++) state[i] = Math.imul(1812433253, state[i - 1]! ^ (state[i - 1]! >>> 30)) + i;
  let at = WORDS;
  const refill = () => {
    for (let i = 0; i < WORDS; i++) {
      const word = (state[i]! & 0x80000000) | (state[(i + 1) % WORDS]! & 0x7fffffff);
      state[i] = state[(i + 397) % WORDS]! ^ (word >>> 1) ^ (word & 1 ? 0x9908b0df : 0);
    }
    at = 0;
  };
  return () => {
    if (at === WORDS) refill();
    let word = state[at++]!;
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c5680;
    word ^= (word << 15) & 0xefc60000;
    return (word ^ (word >>> 18)) >>> 0;
  };
}

/** Values that torch draws together: the fill of a tensor is in blocks of this length. */
export const NORMAL_BLOCK = 16;

/**
 * The first 16 values of `torch.normal(0, 1, …)` for `count` ≥ 16 values of a CPU generator seeded with `seed`:
 * uniforms of 24 bits, then Box–Muller between the halves of each block; when the last block is incomplete, the last 16
 * values are drawn again. Agrees with torch to about 1e-6, whose logarithms and cosines are single precision.
 */
export function firstNormals(seed: number, count: number): Float64Array {
  const draw = mersenneTwister(seed);
  const uniforms = (length: number) => Float64Array.from({ length }, () => (draw() & 0xffffff) / 2 ** 24);
  const block = (values: Float64Array, start: number) => {
    for (let j = start; j < start + NORMAL_BLOCK / 2; j++) {
      const radius = Math.sqrt(-2 * Math.log(1 - values[j]!));
      const angle = 2 * Math.PI * values[j + 8]!;
      values[j] = radius * Math.cos(angle);
      values[j + 8] = radius * Math.sin(angle);
    }
  };
  const drawn = count < 2 * NORMAL_BLOCK ? count : NORMAL_BLOCK;
  const values = uniforms(drawn);
  block(values, 0);
  if (drawn > NORMAL_BLOCK) {
    values.set(uniforms(NORMAL_BLOCK), count - NORMAL_BLOCK);
    block(values, count - NORMAL_BLOCK);
  }
  return values.subarray(0, NORMAL_BLOCK);
}
