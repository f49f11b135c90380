import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { floatTensor } from "../../src/formats/safetensors/float-tensor.ts";
import { writeSafetensors } from "../../src/formats/safetensors/write.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { loadCheckpoint, saveCheckpoint } from "../../src/train/checkpoint.ts";
import { parseTrainConfig } from "../../src/train/config.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kv-distill-state-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const identity = { config: parseTrainConfig({ steps: 9 }), modelHash: "a", dataHash: "b" };
const values = (dims: readonly number[]) => new Map([["q", tensor("float32", dims, new Float32Array(6).fill(1))]]);

test.each([
  ["a moment is missing", ["weight.q", "first.q"], [2, 3]],
  ["a moment has another shape", ["weight.q", "first.q", "second.q"], [6, 1]],
  ["a moment of nothing", ["weight.q", "first.q", "second.q", "first.k"], [2, 3]],
  ["no parameters", [], [2, 3]],
] as const)("a checkpoint of the right checksum is passed over: %s", async (_, names, dims) => {
  const own = await mkdtemp(join(folder, "run-"));
  for (const step of [1, 2]) {
    await saveCheckpoint(
      own,
      { step, parameters: values([2, 3]), moments: { first: values([2, 3]), second: values([2, 3]) } },
      identity,
    );
  }
  const state = join(own, "step-2", "state.safetensors");
  await writeSafetensors(
    state,
    names.map((name) => floatTensor(name, name.startsWith("second") ? dims : [2, 3], new Float32Array(6))),
  );
  const manifest = join(own, "step-2", "checkpoint.json");
  const sum = createHash("sha256")
    .update(await readFile(state))
    .digest("hex");
  await writeFile(
    manifest,
    (await readFile(manifest, "utf8")).replace(/"stateSha256": "\w+"/, `"stateSha256": "${sum}"`),
  );
  const told: string[] = [];
  const loaded = await loadCheckpoint(own, identity, ({ message }) => told.push(message));
  expect(loaded?.step).toBe(1);
  expect(told).toEqual([expect.stringContaining("do not belong together")]);
});
