import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { transpose, undoRotaryInterleave } from "../../src/models/gguf/rearrange.ts";
import { ropeScalingFromFactors } from "../../src/models/gguf/rope-factors.ts";
import { readGgufModel } from "../../src/models/gguf/source.ts";
import { openModel } from "../../src/models/open.ts";
import { useTempHome } from "./temp-home.ts";
import { patchedFile, tinyModel } from "./tiny-models.ts";

const { work } = useTempHome();

/** A tiny GGUF file with some bytes replaced by others of the same length. */
const patched = (name: string, from: string, to: string): Promise<string> =>
  patchedFile(tinyModel(`${name}.gguf`), join(work(), "patched.gguf"), from, to);

describe("GGUF files that are refused", () => {
  test.each([
    ["an unknown pre-tokenizer", "llama", "smollm", "smollx", "tokenizer.ggml.pre"],
    ["another architecture", "llama", "llama", "gemma", "architecture"],
    ["tensors of another model", "llama", "blk.1.ffn_gate", "blk.1.ffn_gaze", "ffn_gaze"],
    ["yarn", "linear", "linear", "yarnyy", "yarnyy"],
    ["keys and values of different size", "qwen3", "value_length", "value_xength", "different size"],
  ])("%s", async (_, name, from, to, told) => {
    await expect(openModel(await patched(name, from, to))).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringContaining(told) as string,
    });
  });

  test.each([
    ["no head count", "llama", "head_count\x04", "hexx_count\x04", "head_count"],
    ["no tokens", "llama", "tokenizer.ggml.tokens", "tokenizer.ggml.xokens", "tokenizer.ggml.tokens"],
    ["divisors that are none", "llama", "output_norm.weight", "rope_freqs.weight\0", "rope_freqs"],
  ])("%s", async (_, name, from, to, told) => {
    await expect(openModel(await patched(name, from, to))).rejects.toMatchObject({
      message: expect.stringContaining(told) as string,
    });
  });
});

test("the chat template and end tokens come along", async () => {
  const { texts } = await readGgufModel(tinyModel("llama.gguf"));
  expect(JSON.parse(texts.get("generation_config.json") ?? "")).toEqual({ eos_token_id: [1] });
  expect(JSON.parse(texts.get("tokenizer_config.json") ?? "")).toMatchObject({
    bos_token: "<|begin|>",
    eos_token: "<|end|>",
    chat_template: expect.stringContaining("messages") as string,
  });
});

describe("rows", () => {
  test("interleaving by pairs is undone", () => {
    const shape = fc.record({
      heads: fc.integer({ min: 1, max: 4 }),
      half: fc.integer({ min: 1, max: 4 }),
      columns: fc.integer({ min: 1, max: 3 }),
    });
    fc.assert(
      fc.property(shape, ({ heads, half, columns }) => {
        const rows = heads * 2 * half;
        const original = Float32Array.from({ length: rows * columns }, (_, i) => i);
        const stored = new Float32Array(original.length);
        for (let row = 0; row < rows; row++) {
          const head = Math.floor(row / (2 * half));
          const inHead = row % (2 * half);
          const place = head * 2 * half + 2 * (inHead % half) + Math.floor(inHead / half);
          stored.set(original.subarray(row * columns, (row + 1) * columns), place * columns);
        }
        expect(undoRotaryInterleave(stored, heads, columns)).toEqual(original);
      }),
    );
  });

  test("a matrix transposed twice is itself", () => {
    const matrix = Float32Array.from({ length: 15 }, (_, i) => i);
    expect([...transpose(matrix, 3, 5).subarray(0, 4)]).toEqual([0, 5, 10, 1]);
    expect(transpose(transpose(matrix, 3, 5), 5, 3)).toEqual(matrix);
  });
});

describe("rotary divisors", () => {
  /** Computed here in another form than in the source: by frequency, as in Meta's model code. */
  const divisors = (factor: number, dim: number, theta: number) =>
    Float32Array.from({ length: dim / 2 }, (_, i) => {
      const frequency = theta ** ((-2 * i) / dim);
      const wavelength = (2 * Math.PI) / frequency;
      if (wavelength < 8192 / 4) return 1;
      if (wavelength > 8192) return factor;
      const smooth = (8192 / wavelength - 1) / 3;
      return frequency / (((1 - smooth) * frequency) / factor + smooth * frequency);
    });

  test.each([8, 32])("of Llama 3 with factor %d", (factor) => {
    expect(ropeScalingFromFactors(divisors(factor, 64, 500_000), 500_000, "f")).toEqual({
      rope_type: "llama3",
      factor,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    });
  });

  test("of anything else are refused", () => {
    const other = divisors(8, 64, 500_000).map((divisor, i) => (i === 20 ? divisor * 1.001 : divisor));
    expect(() => ropeScalingFromFactors(other, 500_000, "f")).toThrow(
      expect.objectContaining({ code: "unsupported" }) as Error,
    );
    expect(() => ropeScalingFromFactors(new Float32Array(4).fill(NaN), 1e4, "f")).toThrow(/rotary divisors/);
  });
});
