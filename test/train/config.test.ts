import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import {
  parseRecordedConfig,
  parseTrainConfig,
  TRAIN_CONFIG_FIELDS,
  trainConfigFaults,
} from "../../src/train/config.ts";

const adapters = fileURLToPath(new URL("../../adapters", import.meta.url));
const recorded = async (run: string): Promise<Record<string, unknown>> =>
  JSON.parse(await readFile(join(adapters, run, "config.json"), "utf8")) as Record<string, unknown>;

test("all faults at once: what is misspelt, out of range, of the wrong kind, and contradictory", () => {
  const json = {
    rnak: 4,
    steps: 0,
    batch: 2,
    microBatch: 4,
    lambda: 1.5,
    seed: -1,
    gate: "soft",
    keepLow: 0.9,
    rank: "8",
  };
  const faults = trainConfigFaults(json);
  for (const name of ["steps", "rnak", "microBatch: 4 is above batch 2", "lambda", "seed", "gate", "rank", "keepLow"]) {
    expect(
      faults.filter((fault) => fault.includes(name)),
      name,
    ).not.toEqual([]);
  }
  expect(() => parseTrainConfig(json)).toThrow(
    expect.objectContaining({ code: "bad-argument", facts: expect.objectContaining({ faults }) as unknown }),
  );
  for (const wrong of [null, undefined, 3, "x", []]) expect(trainConfigFaults(wrong)).not.toEqual([]);
});

test("defaults fill in what is not said; seed 0 is a seed", () => {
  const config = parseTrainConfig({ seed: 0 });
  for (const { name, fallback } of TRAIN_CONFIG_FIELDS) expect(config[name], name).toBe(fallback);
  expect(parseTrainConfig(config)).toEqual(config);
});

test("a micro-batch that is not said is no larger than the batch", () => {
  expect(parseTrainConfig({ batch: 2 })).toMatchObject({ batch: 2, microBatch: 2 });
  expect(parseTrainConfig({ batch: 32 })).toMatchObject({ batch: 32, microBatch: 4 });
});

test("every setting is described and of a kind that a flag can give", () => {
  expect(TRAIN_CONFIG_FIELDS.length).toBeGreaterThan(25);
  for (const { name, description, kind, words, fallback } of TRAIN_CONFIG_FIELDS) {
    expect(description, name).not.toBe("");
    expect(kind === "word", name).toBe(words.length > 0);
    if (kind === "word") expect(words, name).toContain(fallback);
    else expect(typeof fallback, name).toBe("number");
  }
});

test("the defaults are the settings that the package's adapter was trained with, but for where it began and how long texts may be", async () => {
  const own = parseRecordedConfig(await recorded("smollm2-135m-instruct/training/run1"), "run1");
  const differing = TRAIN_CONFIG_FIELDS.filter(({ name, fallback }) => own[name] !== fallback).map(({ name }) => name);
  expect(differing).toEqual([
    "seed",
    // It began with the scorer of another adapter, which wants a shorter fit than a new one.
    "initialLora",
    "scorerPassages",
    "scorerEpochs",
    "scorerFitLearningRate",
    // Whole passages are repeated, there and by default.
    "reconstruction",
    "maxContext",
    // None of its texts was long enough for a fold; runs of then did not know any.
    "foldTokens",
  ]);
  const { reconstruction, maxContext } = parseTrainConfig({});
  expect(reconstruction).toBe(maxContext);
  expect(own.reconstruction).toBe(own.maxContext);
});

test("what an older run had no setting for is what it computed then", async () => {
  const older = await recorded("smollm2-135m-instruct-per-head/training/run4");
  expect(parseRecordedConfig(older, "here")).toMatchObject({
    ...older,
    strengthExponent: 0,
    scorerProbes: "questions",
    initialLora: "adapter",
    sync: "gradients",
  });
  expect(parseRecordedConfig({ strengthExponent: 1 }, "here").strengthExponent).toBe(1);
  for (const wrong of [null, undefined, 3, "x", [], { rnak: 1 }]) {
    expect(() => parseRecordedConfig(wrong, "here")).toThrow(expect.objectContaining({ code: "bad-argument" }));
  }
});

test("values of any shape are faults, and none of their members is called", () => {
  const strange = { toString: 1, valueOf: 2 };
  for (const name of ["keepLow", "keepHigh", "microBatch", "foldTokens", "sinks"]) {
    expect(() => parseTrainConfig({ steps: 9, [name]: strange }, "config")).toThrow(
      expect.objectContaining({ code: "bad-argument", message: expect.stringContaining(name) as string }),
    );
  }
});

test("a message is short, however long the names in a file are", () => {
  const json = { steps: 9, ["a".repeat(100_000)]: 1 };
  expect(() => parseTrainConfig(json, "config")).toThrow(/Unrecognized key: "a{400}/);
  try {
    parseTrainConfig(json, "config");
  } catch (error) {
    expect((error as Error).message.length).toBeLessThan(1000);
  }
});
