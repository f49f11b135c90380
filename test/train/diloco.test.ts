import { mkdir, truncate } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type ExampleSet, examplesInMemory } from "../../src/data/example-set.ts";
import { openSafetensors } from "../../src/formats/safetensors/open.ts";
import { writeSafetensors } from "../../src/formats/safetensors/write.ts";
import { floats } from "../../src/tensor/tensor.ts";
import { DELTA_FORMATS, type DeltaFormat } from "../../src/train/config.ts";
import { encodeDelta, readDelta } from "../../src/train/diloco/delta.ts";
import { nextBatches } from "../../src/train/diloco/part-data.ts";
import { DeltaSum, outerStep } from "../../src/train/diloco/outer-step.ts";
import type { Parameters } from "../../src/train/parameters.ts";
import { loadCheckpoint, saveCheckpoint, type TrainingState } from "../../src/train/checkpoint.ts";
import { randomFromSeed } from "../../src/util/random.ts";
import { tempFolder } from "./temp-folder.ts";
import { tinyConfig } from "./tiny-run.ts";

const folder = tempFolder();
const values = fc.array(fc.float({ min: -100, max: 100, noNaN: true }), { minLength: 1, maxLength: 12 });
const of = (data: readonly number[]): Parameters => new Map([["layers.0.a", floats([data.length], data)]]);
const listed = (parameters: Parameters): number[] => [...(parameters.get("layers.0.a")?.data ?? [])];

async function sendAndRead(delta: Parameters, format: DeltaFormat): Promise<{ sent: number[]; lost: number[] }> {
  const { tensors, lost } = encodeDelta(delta, format);
  const path = join(folder, `${format}.safetensors`);
  await writeSafetensors(path, tensors);
  return { sent: listed(await readDelta(await openSafetensors(path), delta, format)), lost: listed(lost) };
}

test.each(DELTA_FORMATS)("%s: what is read and what is kept back are together what was to be sent", async (format) => {
  await fc.assert(
    fc.asyncProperty(values, async (data) => {
      const { sent, lost } = await sendAndRead(of(data), format);
      const largest = Math.max(...data.map(Math.abs));
      const step = { float32: 0, float16: largest * 2 ** -11 + 2 ** -24, int8: (largest / 127) * 0.501 + 2 ** -140 }[
        format
      ];
      for (const [i, value] of data.entries()) {
        const own = sent[i] ?? NaN;
        expect(Math.abs(own - value)).toBeLessThanOrEqual(step);
        if (format !== "float32")
          expect(Math.abs(own + (lost[i] ?? NaN) - value)).toBeLessThanOrEqual(2 ** -22 * largest);
      }
    }),
    { numRuns: 40 },
  );
});

test("int8 with what was kept back: over many rounds nothing is lost, without it small changes never arrive", async () => {
  const delta = [1, 0.003, -0.002];
  let lost = [0, 0, 0];
  const [kept, plain] = [
    [0, 0, 0],
    [0, 0, 0],
  ];
  for (let round = 0; round < 40; round++) {
    const withLost = await sendAndRead(of(delta.map((value, i) => value + (lost[i] ?? 0))), "int8");
    lost = withLost.lost;
    withLost.sent.forEach((value, i) => (kept[i] = (kept[i] ?? 0) + value));
    (await sendAndRead(of(delta), "int8")).sent.forEach((value, i) => (plain[i] = (plain[i] ?? 0) + value));
  }
  expect(plain.slice(1)).toEqual([0, 0]);
  for (const [i, value] of delta.entries()) expect(Math.abs((kept[i] ?? NaN) - 40 * value)).toBeLessThan(0.009);
});

test("a delta of other parameters is refused", async () => {
  const path = join(folder, "other.safetensors");
  await writeSafetensors(path, encodeDelta(of([1, 2]), "int8").tensors);
  const file = await openSafetensors(path);
  await expect(readDelta(file, of([1, 2, 3]), "int8")).rejects.toMatchObject({ code: "bad-file" });
  await expect(readDelta(file, of([1, 2]), "float32")).rejects.toMatchObject({ code: "unsupported" });
});

test("the outer step is SGD with Nesterov momentum on the mean delta, as PyTorch writes it", () => {
  const step = fc.array(
    fc.tuple(fc.float({ min: -4, max: 4, noNaN: true }), fc.float({ min: -4, max: 4, noNaN: true })),
    {
      minLength: 1,
      maxLength: 5,
    },
  );
  fc.assert(
    fc.property(step, (rounds) => {
      const settings = { outerLearningRate: 0.7, outerMomentum: 0.9 };
      const [parameters, momentum] = [of([1]), of([0])];
      let [value, buffer] = [1, 0];
      for (const [a, b] of rounds) {
        const sum = new DeltaSum();
        sum.add(of([a]));
        sum.add(of([b]));
        const norm = outerStep(parameters, momentum, sum, settings);
        const gradient = (a + b) / 2;
        buffer = 0.9 * buffer + gradient;
        value -= 0.7 * (gradient + 0.9 * buffer);
        expect(norm).toBeCloseTo(Math.abs(gradient), 10);
        expect(listed(parameters)[0]).toBeCloseTo(value, 3);
      }
    }),
  );
});

test("a checkpoint has the files of the parts; one with a damaged file is passed over for the one before", async () => {
  const out = join(folder, "checkpoints");
  const identity = { config: tinyConfig({ sync: "diloco", parts: 2 }), modelHash: "model", dataHash: "data" };
  const source = join(folder, "source.safetensors");
  const cursor = { epoch: 1, position: 2, random: randomFromSeed(1).state() };
  const stateAt = async (step: number): Promise<TrainingState> => {
    await writeSafetensors(source, encodeDelta(of([step]), "float32").tensors);
    const parts = [{ steps: step, cursor, file: source }, { steps: 0 }];
    return { step, parameters: of([step]), moments: { first: of([0]), second: of([0]) }, parts };
  };
  await mkdir(out);
  for (const step of [2, 4]) await saveCheckpoint(out, await stateAt(step), identity);
  const told: string[] = [];
  const load = (): Promise<TrainingState | undefined> =>
    loadCheckpoint(out, identity, ({ code }) => {
      told.push(code);
    });
  const file = (step: number): string => join(out, `step-${step}`, "part-0.safetensors");
  expect((await load())?.parts).toEqual([{ steps: 4, cursor, file: file(4) }, { steps: 0 }]);
  await truncate(file(4), 20);
  expect(await load()).toMatchObject({ step: 2, parts: [{ steps: 2, file: file(2) }, { steps: 0 }] });
  expect(told).toEqual(["checksum-mismatch"]);
});

test("the parts of a corpus are disjoint and complete, and a part goes through all of its own before it begins anew", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 6 }), async (count, parts) => {
      fc.pre(parts <= count);
      const config = tinyConfig({ parts, batch: 1, microBatch: 1 });
      const read: number[] = [];
      const memory = examplesInMemory(
        Array.from({ length: count }, (_, i) => ({
          id: String(i),
          source: "made",
          contextIds: [i],
          turns: [{ questionIds: [1], answerIds: [2], kind: "question" }],
        })),
      );
      const examples: ExampleSet = {
        ...memory,
        read: (index) => {
          read.push(index);
          return memory.read(index);
        },
      };
      const all: number[] = [];
      for (let part = 0; part < parts; part++) {
        const own = Math.ceil((count - part) / parts);
        // Steps of one passage, in two calls: the second goes on where the first ended.
        const first = await nextBatches(examples, config, part, undefined, Math.floor(own / 2));
        await nextBatches(examples, config, part, first.cursor, own - Math.floor(own / 2));
        const indices = read.splice(0);
        expect(new Set(indices).size).toBe(own);
        all.push(...indices);
      }
      expect(all.sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
    }),
    { numRuns: 30 },
  );
});
