import { createHash } from "node:crypto";
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { KvCache } from "../../src/cache/kv-cache.ts";
import { describeKvd, loadKvd, verifyKvd } from "../../src/cache/load-kvd.ts";
import { saveKvd } from "../../src/cache/save-kvd.ts";
import { floatToHalf, halfToFloat } from "../../src/formats/float16.ts";
import { openSafetensors } from "../../src/formats/safetensors/open.ts";
import { readTensorBytes } from "../../src/formats/safetensors/read.ts";
import { writeSafetensors, type TensorSource } from "../../src/formats/safetensors/write.ts";
import { isKvDistillError } from "../../src/util/errors.ts";
import { anyCache, provenance, raggedCache, sampleCache } from "./sample-cache.ts";

let folder = "";
let path = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kv-distill-kvd-"));
  path = join(folder, "a.kvd");
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

function rounded(cache: KvCache): KvCache {
  const half = (values: Float32Array): Float32Array<ArrayBuffer> => halfToFloat(floatToHalf(values));
  const layers = cache.layers.map((layer) => ({ ...layer, keys: half(layer.keys), values: half(layer.values) }));
  return { ...cache, layers };
}

describe("round trip", () => {
  test("F32 keeps every bit, F16 rounds keys and values only", async () => {
    await fc.assert(
      fc.asyncProperty(anyCache, async (cache) => {
        const bytes = await saveKvd(path, cache, { dtype: "F32" });
        expect((await stat(path)).size).toBe(bytes);
        expect(await loadKvd(path)).toEqual(cache);
        await saveKvd(path, cache);
        expect(await loadKvd(path)).toEqual(rounded(cache));
      }),
      { numRuns: 50 },
    );
  });

  test("without scores and token ids", async () => {
    const { layers, numKvHeads, headDim, positions, contextLength } = sampleCache();
    const bare = { layers, numKvHeads, headDim, positions, contextLength, provenance };
    await saveKvd(path, bare);
    expect(await loadKvd(path)).toEqual(bare);
  });

  test.each([
    ["tiny", sampleCache],
    ["tiny-ragged", raggedCache],
  ])("a file made in Python from the format's description: %s", async (name, cache) => {
    const golden = join(import.meta.dirname, `../golden/kvd/${name}.kvd`);
    expect(await loadKvd(golden)).toEqual(cache());
    const copy = await readFile(golden);
    await saveKvd(path, cache());
    expect((await readFile(path)).length).toBe(copy.length);
  });

  test("version 2 is for heads with different numbers of rows alone", async () => {
    await saveKvd(path, raggedCache());
    expect(await describeKvd(path)).toMatchObject({ version: 2, slots: 2, layerRows: [4, 4], obtained: 0.15625 });
    await saveKvd(path, sampleCache());
    expect((await describeKvd(path)).version).toBe(1);
  });

  test.each(["int8", "int4"] as const)("rows that were computed in %s say so", async (precision) => {
    const cache = sampleCache({ provenance: { ...provenance, precision } });
    await saveKvd(path, cache, { dtype: "F32" });
    expect(await loadKvd(path)).toEqual(cache);
  });

  test("S7: only the owner can read the file", async () => {
    await saveKvd(path, sampleCache());
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  test("hashes of zeros do not confuse the checksum", async () => {
    const zeros = { ...provenance, modelHash: "0".repeat(64), adapterHash: "0".repeat(64) };
    await saveKvd(path, sampleCache({ provenance: zeros }));
    expect((await loadKvd(path)).provenance).toEqual(zeros);
  });

  test("the checksum is over the file with its digits as zeros", async () => {
    await saveKvd(path, sampleCache());
    const { sha256 } = await describeKvd(path);
    const bytes = await readFile(path);
    bytes.write("0".repeat(64), bytes.lastIndexOf(sha256), "ascii");
    expect(createHash("sha256").update(bytes).digest("hex")).toBe(sha256);
  });
});

describe("refused before writing", () => {
  test("a broken cache leaves an earlier file alone", async () => {
    await saveKvd(path, sampleCache());
    const before = await readFile(path);
    await expect(saveKvd(path, sampleCache({ contextLength: 5 }))).rejects.toMatchObject({ code: "shape-mismatch" });
    const large = sampleCache();
    large.layers[0]?.keys.fill(70000);
    await expect(saveKvd(path, large)).rejects.toMatchObject({ code: "not-finite" });
    expect(await readFile(path)).toEqual(before);
    expect(await readdir(folder)).toEqual(["a.kvd"]);
  });
});

describe("describing", () => {
  test("from the header alone, even of damaged data; verifying finds the damage", async () => {
    await saveKvd(path, sampleCache());
    expect(await describeKvd(path)).toMatchObject({
      provenance,
      contextLength: 12,
      obtained: 0.25,
      dtype: "F16",
      numLayers: 2,
      numKvHeads: 2,
      slots: 3,
      headDim: 2,
      hasScores: true,
      hasTokenIds: true,
      fileSize: (await stat(path)).size,
    });
    expect(await verifyKvd(path)).toEqual(await describeKvd(path));
    const bytes = await readFile(path);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    await writeFile(path, bytes);
    expect((await describeKvd(path)).slots).toBe(3);
    await expect(verifyKvd(path)).rejects.toMatchObject({ code: "checksum-mismatch" });
  });
});

describe("whose cache it is", () => {
  const model = { name: "tiny-llama", hash: provenance.modelHash, tokenizerHash: provenance.tokenizerHash };
  test("the same weights under any name", async () => {
    await saveKvd(path, sampleCache());
    await loadKvd(path, { expectModel: model });
    await loadKvd(path, { expectModel: { ...model, name: "elsewhere" } });
  });

  test("S6: another model is named, with both hashes", async () => {
    await expect(loadKvd(path, { expectModel: { name: "other", hash: "3".repeat(64) } })).rejects.toMatchObject({
      code: "model-mismatch",
      facts: { expected: `other (sha256 ${"3".repeat(64)})`, got: `tiny-llama (sha256 ${provenance.modelHash})` },
    });
  });

  test("another tokenizer", async () => {
    const expectModel = { ...model, tokenizerHash: "4".repeat(64) };
    await expect(loadKvd(path, { expectModel })).rejects.toMatchObject({ code: "model-mismatch" });
  });
});

describe.each([
  ["version 1", sampleCache],
  ["version 2", raggedCache],
])("damage, %s", (_, sample) => {
  test("S1: cut at every byte", async () => {
    await saveKvd(path, sample());
    const whole = await readFile(path);
    for (let size = 0; size < whole.length; size++) {
      await writeFile(path, whole.subarray(0, size));
      await expect(loadKvd(path)).rejects.toMatchObject({ code: "bad-file" });
    }
  });

  test("S1: a flipped bit at every byte", async () => {
    await saveKvd(path, sample());
    const whole = await readFile(path);
    for (let at = 0; at < whole.length; at++) {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] ?? 0) ^ (1 << (at % 8));
      await writeFile(path, damaged);
      const error: unknown = await loadKvd(path).then(
        () => `byte ${at} was not noticed`,
        (thrown: unknown) => thrown,
      );
      if (!isKvDistillError(error)) throw new Error(String(error));
    }
  });
});

describe("files that are not caches", () => {
  /** The sample file with other metadata or tensors, and a checksum that fits. */
  async function rewrite(
    metadata: Readonly<Record<string, string | undefined>>,
    change: (tensors: TensorSource[]) => TensorSource[] = (tensors) => tensors,
    sample = sampleCache(),
  ): Promise<void> {
    await saveKvd(path, sample);
    const file = await openSafetensors(path);
    const given = new Map(file.metadata);
    const changed: Record<string, string | undefined> = { ...metadata, sha256: "0".repeat(64) };
    for (const [key, value] of Object.entries(changed)) {
      if (value === undefined) given.delete(key);
      else given.set(key, value);
    }
    const tensors: TensorSource[] = [];
    for (const entry of file.entries.values()) {
      const bytes = await readTensorBytes(entry);
      tensors.push({ name: entry.name, dtype: entry.dtype, shape: entry.shape, bytes: () => bytes });
    }
    await writeSafetensors(path, change(tensors), { metadata: given });
    const bytes = await readFile(path);
    const sum = createHash("sha256").update(bytes).digest("hex");
    bytes.write(sum, bytes.lastIndexOf("0".repeat(64)), "ascii");
    await writeFile(path, bytes);
  }

  test("the rewriting itself is harmless", async () => {
    await rewrite({});
    expect(await loadKvd(path)).toEqual(sampleCache());
  });

  test.each<[string, Record<string, string | undefined>, string, RegExp]>([
    ["another format", { format: "pt" }, "bad-file", /not a kv-distill cache/],
    ["no format", { format: undefined }, "bad-file", /not a kv-distill cache/],
    ["a later version", { format_version: "3" }, "unsupported", /version .*expected 1 or 2/],
    ["the version of other heads", { format_version: "2" }, "bad-file", /no usable tensor layers.0.k/],
    ["a missing field", { method: undefined }, "bad-file", /method/],
    ["a precision that is none", { precision: "fp32" }, "bad-file", /precision/],
    ["an unknown field", { extra: "1" }, "bad-file", /extra/],
    ["a length that is no number", { context_length: "twelve" }, "bad-file", /context_length: not a whole number/],
    ["a huge context", { context_length: "9999999999999999" }, "bad-file", /token_ids is I32/],
    ["a next position that is no number", { next_position: "-1" }, "bad-file", /next_position: not a whole number/],
    ["a next position outside", { next_position: "13" }, "bad-file", /nextPosition is 13/],
    ["a hash that is none", { model_hash: "x" }, "bad-file", /model_hash/],
    ["a span that is none", { span: "2-10" }, "bad-file", /span/],
    ["a span outside", { span: "2:13" }, "bad-file", /span 2:13/],
    ["an asked keep that is none", { keep_asked: "parts:3" }, "bad-file", /keep_asked/],
    ["another obtained keep", { keep_obtained: "0.5" }, "bad-file", /keep_obtained/],
  ])("%s", async (_, metadata, code, message) => {
    await rewrite(metadata);
    await expect(loadKvd(path)).rejects.toThrow(message);
    await expect(loadKvd(path)).rejects.toMatchObject({ code });
  });

  const positions = (...values: number[]): TensorSource => ({
    name: "positions",
    dtype: "I32",
    shape: [values.length],
    bytes: () => new Uint8Array(Int32Array.from(values).buffer),
  });
  const without = (name: string, tensors: TensorSource[]): TensorSource[] => tensors.filter((t) => t.name !== name);
  test.each<[string, (tensors: TensorSource[]) => TensorSource[], RegExp]>([
    ["a missing layer", (t) => without("layers.0.k", t), /no usable tensor layers.0.k/],
    ["a missing half of a layer", (t) => without("layers.1.v", t), /layers.1.v is missing/],
    ["a gap in the layers", (t) => without("layers.1.k", t), /unknown tensor "layers.1.v"/],
    ["no positions", (t) => without("positions", t), /positions is missing/],
    ["too many positions", (t) => [...without("positions", t), positions(0, 2, 3, 9)], /positions is I32 \[4\]/],
    ["positions out of order", (t) => [...without("positions", t), positions(0, 9, 2)], /strictly increasing/],
    ["an unknown tensor", (t) => [...t, { ...positions(1), name: "more" }], /unknown tensor "more"/],
    [
      "a number that is not finite",
      (t) => [
        ...without("scores", t),
        { name: "scores", dtype: "F32", shape: [3], bytes: () => new Uint8Array(Float32Array.of(1, NaN, 2).buffer) },
      ],
      /not finite/,
    ],
  ])("%s", async (_, change, message) => {
    await rewrite({}, change);
    await expect(loadKvd(path)).rejects.toThrow(message);
    await expect(loadKvd(path)).rejects.toMatchObject({ code: "bad-file" });
  });

  const counts = (shape: readonly number[], ...values: number[]): TensorSource => ({
    name: "row_counts",
    dtype: "I32",
    shape,
    bytes: () => new Uint8Array(Int32Array.from(values).buffer),
  });
  test.each<[string, (tensors: TensorSource[]) => TensorSource[], RegExp]>([
    ["no row counts", (t) => without("row_counts", t), /no usable tensor row_counts/],
    [
      "row counts of one layer",
      (t) => [...without("row_counts", t), counts([1, 2], 3, 1)],
      /row_counts is I32 \[1, 2\]/,
    ],
    [
      "more rows than there are",
      (t) => [...without("row_counts", t), counts([2, 2], 3, 1, 2, 3)],
      /do not fit the layers/,
    ],
    ["a negative number of rows", (t) => [...without("row_counts", t), counts([2, 2], 5, -1, 2, 2)], /do not fit/],
    [
      "other heads than positions",
      (t) => [...without("row_counts", t), counts([2, 2], 1, 3, 2, 2)],
      /strictly increasing/,
    ],
    ["a missing half of a layer", (t) => without("layers.1.v", t), /layers.1.v is missing/],
    [
      "too few positions",
      (t) => [...without("positions", t), positions(0, 2, 9)],
      /positions is I32 \[3\], not I32 \[8\]/,
    ],
  ])("of heads with different numbers of rows: %s", async (_, change, message) => {
    await rewrite({}, change, raggedCache());
    await expect(loadKvd(path)).rejects.toThrow(message);
    await expect(loadKvd(path)).rejects.toMatchObject({ code: "bad-file" });
  });
});
