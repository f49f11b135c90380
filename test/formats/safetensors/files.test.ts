import { mkdtemp, readFile, readdir, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { floatTensor } from "../../../src/formats/safetensors/float-tensor.ts";
import { openSafetensors, type SafetensorsEntry } from "../../../src/formats/safetensors/open.ts";
import { findEntry } from "../../../src/formats/safetensors/decode.ts";
import { readTensorBytes, readTensorFloats, readTensorIntegers } from "../../../src/formats/safetensors/read.ts";
import { openSafetensorsFolder } from "../../../src/formats/safetensors/sharded.ts";
import { writeSafetensors, type TensorSource } from "../../../src/formats/safetensors/write.ts";

const golden = join(import.meta.dirname, "../../golden/safetensors");
let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kv-distill-safetensors-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

function sourceOf(entry: SafetensorsEntry): TensorSource {
  const { name, dtype, shape } = entry;
  return { name, dtype, shape, bytes: () => readTensorBytes(entry) };
}

describe("files from Python", () => {
  test("every element type has the values that PyTorch gives", async () => {
    const file = await openSafetensors(join(golden, "all.safetensors"));
    const values = JSON.parse(await readFile(join(golden, "all.json"), "utf8")) as Record<string, (number | string)[]>;
    expect([...file.entries.keys()].sort()).toEqual(Object.keys(values).sort());
    expect(file.metadata.get("format")).toBe("pt");
    for (const [name, expected] of Object.entries(values)) {
      const entry = findEntry(file, name);
      if (/^B?F/.test(entry.dtype)) {
        const floats = new Float32Array(Int32Array.from(expected, Number).buffer);
        expect([name, ...(await readTensorFloats(entry))]).toEqual([name, ...floats]);
      } else {
        expect([name, Array.from(await readTensorIntegers(entry), String)]).toEqual([name, expected]);
      }
    }
  });

  test("written again they are the same bytes", async () => {
    for (const name of ["all", "none"]) {
      const original = await openSafetensors(join(golden, `${name}.safetensors`));
      const copy = join(folder, `${name}.safetensors`);
      const sources = [...original.entries.values()].map(sourceOf).reverse();
      await writeSafetensors(copy, sources, { metadata: original.metadata });
      expect(await readFile(copy)).toEqual(await readFile(original.path));
    }
  });
});

describe("sharded checkpoints", () => {
  const index = "model.safetensors.index.json";
  const shard = (number: number): string => `model-0000${number.toString()}-of-00002.safetensors`;

  async function checkpointWith(weightMap: unknown): Promise<string> {
    const copy = await mkdtemp(join(folder, "shards-"));
    for (const name of [shard(1), shard(2)])
      await writeFile(join(copy, name), await readFile(join(golden, "sharded", name)));
    await writeFile(join(copy, index), JSON.stringify({ metadata: {}, weight_map: weightMap }));
    return copy;
  }

  test("tensors come from the shard that the index names", async () => {
    const checkpoint = await openSafetensorsFolder(join(golden, "sharded"));
    expect([...checkpoint.keys()].sort()).toEqual(["x", "y", "z"]);
    const z = checkpoint.get("z");
    if (z === undefined) throw new Error("z is missing");
    expect(z.file).toBe(join(golden, "sharded", shard(2)));
    expect([...(await readTensorFloats(z))]).toEqual([2]);
  });

  test("all differences between index and shards are listed", async () => {
    const broken = await checkpointWith({ x: shard(2), y: shard(2), q: shard(1) });
    await expect(openSafetensorsFolder(broken)).rejects.toMatchObject({
      code: "bad-file",
      facts: {
        faults: [
          `${shard(1)} holds "x", which the index does not place there`,
          `${shard(2)} holds "z", which the index does not place there`,
          `${shard(2)} lacks "x"`,
          `${shard(1)} lacks "q"`,
        ],
      },
    });
  });

  test.each([
    "../x.safetensors",
    "/etc/x.safetensors",
    "a\\b.safetensors",
    "c:x.safetensors",
    ".x.safetensors",
    "x.bin",
    3,
  ])("a shard named %j is refused", async (name) => {
    await expect(openSafetensorsFolder(await checkpointWith({ x: name }))).rejects.toMatchObject({ code: "bad-file" });
  });

  test("a folder without weights is not-found", async () => {
    await expect(openSafetensorsFolder(await mkdtemp(join(folder, "bare-")))).rejects.toMatchObject({
      code: "not-found",
    });
  });
});

describe("damaged files", () => {
  test("cut at every byte", async () => {
    const path = join(folder, "cut.safetensors");
    const whole = await readFile(join(golden, "all.safetensors"));
    await writeFile(path, whole);
    for (let size = whole.length - 1; size >= 0; size--) {
      await truncate(path, size);
      await expect(openSafetensors(path)).rejects.toMatchObject({ code: "bad-file" });
    }
  });

  test.each([1n << 62n, 0xffffffffffffffffn, 1n << 40n])("a header of %d bytes is refused unread", async (length) => {
    const path = join(folder, "huge.safetensors");
    const bytes = new Uint8Array(32);
    new DataView(bytes.buffer).setBigUint64(0, length, true);
    await writeFile(path, bytes);
    await expect(openSafetensors(path)).rejects.toMatchObject({ code: "bad-file" });
  });

  test("a header over the limit is refused", async () => {
    const path = join(golden, "all.safetensors");
    await expect(openSafetensors(path, { maxHeaderBytes: 100 })).rejects.toMatchObject({ code: "too-large" });
  });

  test("a file that shrinks after it was opened", async () => {
    const path = join(folder, "shrinks.safetensors");
    await writeSafetensors(path, [floatTensor("a", [4], new Float32Array(4))]);
    const entry = findEntry(await openSafetensors(path), "a");
    await truncate(path, 79);
    await expect(readTensorBytes(entry)).rejects.toMatchObject({ code: "bad-file" });
  });

  test("no file, a folder, a missing tensor, a wrong kind", async () => {
    await expect(openSafetensors(join(folder, "none"))).rejects.toMatchObject({ code: "not-found" });
    await expect(openSafetensors(folder)).rejects.toMatchObject({ code: "bad-file" });
    const file = await openSafetensors(join(golden, "all.safetensors"));
    expect(() => findEntry(file, "nothing")).toThrow(/no such tensor/);
    await expect(readTensorFloats(findEntry(file, "int"))).rejects.toMatchObject({ code: "unsupported" });
    await expect(readTensorIntegers(findEntry(file, "half"))).rejects.toMatchObject({ code: "unsupported" });
  });
});

describe("writing", () => {
  const path = (): string => join(folder, "written.safetensors");

  test("tensors are asked for their bytes one at a time, in file order", async () => {
    const asked: string[] = [];
    const source = (name: string, dtype: "U8" | "F32"): TensorSource => ({
      name,
      dtype,
      shape: [4],
      bytes: () => {
        asked.push(name);
        return new Uint8Array(dtype === "U8" ? 4 : 16);
      },
    });
    await writeSafetensors(path(), [source("b", "U8"), source("d", "F32"), source("a", "U8"), source("c", "F32")]);
    expect(asked).toEqual(["c", "d", "a", "b"]);
  });

  test("a source that gives the wrong number of bytes leaves no file", async () => {
    await rm(path(), { force: true });
    const wrong: TensorSource = { name: "a", dtype: "F32", shape: [2], bytes: () => new Uint8Array(4) };
    await expect(writeSafetensors(path(), [wrong])).rejects.toMatchObject({ code: "shape-mismatch" });
    expect((await readdir(folder)).filter((name) => name.includes("written"))).toEqual([]);
  });

  test.each([
    ["a name twice", [floatTensor("a", [0], new Float32Array()), floatTensor("a", [0], new Float32Array())]],
    ["a reserved name", [floatTensor("__metadata__", [0], new Float32Array())]],
    ["a name that is not Unicode", [floatTensor("\ud800", [0], new Float32Array())]],
    ["a shape that is none", [floatTensor("a", [-1], new Float32Array())]],
    ["a shape beyond numbers", [floatTensor("a", [2 ** 40, 2 ** 40], new Float32Array())]],
  ])("%s is a bad argument", async (_, sources) => {
    await expect(writeSafetensors(path(), sources)).rejects.toMatchObject({ code: "bad-argument" });
  });

  test("values too large for half precision are refused, not stored as infinity", async () => {
    const values = Float32Array.of(1, 65520);
    await expect(writeSafetensors(path(), [floatTensor("a", [2], values, "F16")])).rejects.toMatchObject({
      code: "not-finite",
      facts: { got: "65520" },
    });
    await writeSafetensors(path(), [floatTensor("a", [2], values, "BF16")]);
    expect([...(await readTensorFloats(findEntry(await openSafetensors(path()), "a")))]).toEqual([1, 65536]);
  });
});
