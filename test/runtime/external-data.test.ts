import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRuntime, type Runtime } from "../../src/runtime/runtime.ts";
import { floats, zeros } from "../../src/tensor/tensor.ts";
import { errorOf } from "./expect-error.ts";
import { onnxModel } from "./onnx-model.ts";

let runtime: Runtime;
let folder: string;
beforeAll(async () => {
  runtime = await createRuntime({ threads: 2 });
  folder = await mkdtemp(join(tmpdir(), "kv-distill-runtime-"));
});
afterAll(async () => {
  await runtime.close();
  await rm(folder, { recursive: true, force: true });
});

/** y = x · wᵀ with w float32[out, in] at `offset` of the file `weights.bin`. */
function linear(out: number, inner: number, offset: number): Uint8Array {
  const length = 4 * out * inner;
  return onnxModel({
    inputs: { x: { dtype: "float32", dims: ["n", inner] } },
    outputs: { y: { dtype: "float32", dims: ["n", out] } },
    nodes: [{ op: "Gemm", in: ["x", "w"], out: ["y"], ints: { transB: 1 } }],
    external: { w: { dtype: "float32", dims: [out, inner], file: "weights.bin", offset, length } },
  });
}

const unaligned = 13;

describe("weights in files", () => {
  beforeAll(async () => {
    await mkdir(join(folder, "real"));
    const weights = Float32Array.of(1, 2, 3, 4, 5, 6);
    await writeFile(
      join(folder, "real", "weights.bin"),
      Buffer.concat([Buffer.alloc(unaligned), Buffer.from(weights.buffer)]),
    );
    await symlink(join(folder, "real"), join(folder, "link"));
  });

  test("external data at an unaligned offset, behind a linked folder", async () => {
    const bytes = linear(2, 3, unaligned);
    for (const name of ["real", "link"]) {
      const program = await runtime.load({ bytes, weightsFolder: join(folder, name) });
      expect(await program.run({ x: floats([1, 3], [1, 1, 1]) })).toEqual({ y: floats([1, 2], [6, 15]) });
    }
  });

  test("prepacked weights give the same answer", async () => {
    const program = await runtime.load({
      bytes: linear(2, 3, unaligned),
      weightsFolder: join(folder, "real"),
      prepack: true,
    });
    expect(await program.run({ x: floats([1, 3], [1, 0, 1]) })).toEqual({ y: floats([1, 2], [4, 10]) });
  });

  test("a missing folder is not found, a missing file is the engine's", async () => {
    const bytes = linear(2, 3, unaligned);
    const missing = join(folder, "missing");
    expect((await errorOf(runtime.load({ bytes, weightsFolder: missing }), "not-found")).message).toContain(missing);
    await errorOf(runtime.load({ bytes, weightsFolder: folder }), "engine");
  });

  test("uploadFromFile reads a tensor at an unaligned offset", async () => {
    const path = join(folder, "link", "weights.bin");
    const resident = await runtime.uploadFromFile({ path, offset: unaligned + 4, dtype: "float32", dims: [2, 2] });
    expect(await runtime.download(resident)).toEqual(floats([2, 2], [2, 3, 4, 5]));
  });

  test("uploadFromFile refuses what is not in the file", async () => {
    const path = join(folder, "real", "weights.bin");
    const read = { path, offset: unaligned, dtype: "float32", dims: [7] } as const;
    expect((await errorOf(runtime.uploadFromFile(read), "bad-file")).message).toContain("got a file of 37 bytes");
    await errorOf(runtime.uploadFromFile({ ...read, path: join(folder, "nothing") }), "not-found");
    await errorOf(runtime.uploadFromFile({ ...read, path: folder }), "bad-file");
    await errorOf(runtime.uploadFromFile({ ...read, offset: -1 }), "bad-argument");
    await errorOf(runtime.uploadFromFile({ ...read, dims: [1.5] }), "bad-argument");
  });
});

/** Memory of this process that no file backs, in bytes: Linux only. */
function privateBytes(): number {
  const match = /RssAnon:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"));
  return Number(match?.[1]) * 1024;
}

test.skipIf(!existsSync("/proc/self/status"))("sessions share one copy of their external weights", async () => {
  const size = 4096;
  const weightBytes = 4 * size * size;
  await mkdir(join(folder, "large"));
  await writeFile(join(folder, "large", "weights.bin"), new Uint8Array(weightBytes).fill(1));
  const before = privateBytes();
  const x = zeros("float32", [1, size]);
  for (let session = 0; session < 4; session++) {
    const program = await runtime.load({ bytes: linear(size, size, 0), weightsFolder: join(folder, "large") });
    await program.run({ x });
  }
  expect(privateBytes() - before).toBeLessThan(weightBytes / 2);
});
