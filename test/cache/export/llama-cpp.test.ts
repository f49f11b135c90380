import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { saveLlamaCppState } from "../../../src/cache/export/llama-cpp.ts";
import { saveForLoaders } from "../../../src/cache/export/safetensors.ts";
import type { CacheLayer, KvCache } from "../../../src/cache/kv-cache.ts";
import { halfToFloat } from "../../../src/formats/float16.ts";
import { raggedCache, sampleCache } from "../sample-cache.ts";

// Sizes of SmolLM2-135M and of the two tokens in test/golden/llama-cpp.
const [LAYERS, HEADS, DIM, TOKENS] = [30, 3, 64, 2];
const WIDTH = HEADS * DIM;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "llama-state-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** The keys and values of a state that llama.cpp wrote: [heads, tokens, dim] each, keys in halves. */
function layersOf(state: Buffer, flashAttention: boolean): CacheLayer[] {
  let at = 4 * (3 + TOKENS + 2 + 3 * TOKENS + 2);
  const take = (header: number): Float32Array => {
    const bytes = state.subarray(at + header, at + header + 2 * TOKENS * WIDTH);
    at += header + bytes.length;
    return halfToFloat(new Uint16Array(new Uint8Array(bytes).buffer));
  };
  const fill = (value: (head: number, token: number, d: number) => number): Float32Array<ArrayBuffer> =>
    Float32Array.from({ length: HEADS * TOKENS * DIM }, (_, i) =>
      value(Math.floor(i / (TOKENS * DIM)), Math.floor(i / DIM) % TOKENS, i % DIM),
    );
  const keys = Array.from({ length: LAYERS }, () => {
    const rows = take(12);
    const half = DIM / 2;
    return fill((head, token, d) => rows[token * WIDTH + head * DIM + (d < half ? 2 * d : 2 * (d - half) + 1)] ?? NaN);
  });
  return keys.map((own) => {
    const rows = take(12);
    const values = fill((head, token, d) => {
      const column = head * DIM + d;
      return (flashAttention ? rows[token * WIDTH + column] : rows[column * TOKENS + token]) ?? NaN;
    });
    return { keys: own, values };
  });
}

function cacheOf(layers: readonly CacheLayer[], facts: Partial<KvCache>): KvCache {
  return {
    layers,
    numKvHeads: HEADS,
    headDim: DIM,
    positions: Int32Array.of(0, 1),
    tokenIds: Int32Array.of(1, 9690),
    contextLength: TOKENS,
    provenance: {
      modelName: "smollm2-135m-instruct",
      modelHash: "0".repeat(64),
      tokenizerHash: "0".repeat(64),
      adapterHash: "none",
      method: "full",
      span: { start: 0, end: TOKENS },
      asked: { kind: "fraction", value: 1 },
      createdBy: "test",
    },
    ...facts,
  };
}

async function golden(flashAttention: boolean): Promise<Buffer> {
  return readFile(new URL(`../../golden/llama-cpp/two${flashAttention ? "-flash" : ""}.bin`, import.meta.url));
}

describe.each([false, true])("flash attention %s", (flashAttention) => {
  test("byte for byte what llama.cpp writes for the same rows", async () => {
    const wanted = await golden(flashAttention);
    const path = join(folder, `same-${flashAttention}`);
    const cache = cacheOf(layersOf(wanted, flashAttention), {});
    expect(await saveLlamaCppState(path, cache, { flashAttention, interleavedKeys: true })).toBe(wanted.length);
    expect((await readFile(path)).equals(wanted)).toBe(true);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });
});

test("all ids are there, labels rise and the last is the position before the next token's", async () => {
  const layers = layersOf(await golden(false), false);
  const cache = cacheOf(layers, {
    positions: Int32Array.of(3, 5),
    contextLength: 7,
    tokenIds: Int32Array.of(9, 8, 7, 6, 5, 4, 3),
  });
  const path = join(folder, "gaps");
  await saveLlamaCppState(path, cache, { flashAttention: false, interleavedKeys: true });
  const bytes = await readFile(path);
  const numbers = new Uint32Array(new Uint8Array(bytes.subarray(0, 4 * (3 + 7 + 2 + 6))).buffer);
  expect(Array.from(numbers.subarray(2, 10))).toEqual([7, 9, 8, 7, 6, 5, 4, 3]);
  expect(Array.from(numbers.subarray(10))).toEqual([1, 2, 3, 1, 0, 6, 1, 0]);
});

test("heads with tokens of their own: labels stay below the last one", async () => {
  const layers = layersOf(await golden(false), false);
  const positions = new Int32Array(LAYERS * HEADS * TOKENS).map((_, i) => (i % 2 === 0 ? 6 : 7));
  const path = join(folder, "per-head");
  const cache = cacheOf(layers, { positions, contextLength: 8, tokenIds: new Int32Array(8) });
  await saveLlamaCppState(path, cache, { flashAttention: false, interleavedKeys: true });
  const bytes = await readFile(path);
  const numbers = new Uint32Array(new Uint8Array(bytes.subarray(4 * 11, 4 * 19)).buffer);
  expect(Array.from(numbers)).toEqual([1, 2, 6, 1, 0, 7, 1, 0]);
});

test("refused: no token ids, a value beyond F16; nothing is written", async () => {
  const layers = layersOf(await golden(false), false);
  const layout = { flashAttention: false, interleavedKeys: true };
  const path = join(folder, "refused");
  const without: KvCache = { ...cacheOf(layers, {}) };
  Reflect.deleteProperty(without, "tokenIds");
  await expect(saveLlamaCppState(path, without, layout)).rejects.toMatchObject({ code: "unsupported" });
  const [first, ...rest] = layers;
  const large = {
    keys: first?.keys.slice().fill(1e5, 0, 1) ?? new Float32Array(),
    values: first?.values ?? new Float32Array(),
  };
  await expect(saveLlamaCppState(path, cacheOf([large, ...rest], {}), layout)).rejects.toMatchObject({
    code: "not-finite",
  });
  await expect(stat(path)).rejects.toMatchObject({ code: "ENOENT" });
});

test.each([
  ["heads with different numbers of rows", raggedCache(), /different numbers of rows/],
  [
    "reading that does not go on after the context",
    sampleCache({ nextPosition: 3 }),
    /expected position 12.* got position 3/,
  ],
])("%s: refused, with what to do", async (_, cache, message) => {
  const path = join(folder, "ragged");
  const layout = { flashAttention: false, interleavedKeys: true };
  for (const saving of [saveLlamaCppState(path, cache, layout), saveForLoaders(path, cache)]) {
    await expect(saving).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringMatching(message) as string,
      facts: { hint: expect.stringMatching(/--exportable/) as string },
    });
  }
  await expect(stat(path)).rejects.toMatchObject({ code: "ENOENT" });
});
