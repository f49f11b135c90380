import { expect, test } from "vitest";
import { parseTrainConfig, TRAIN_CONFIG_FIELDS, trainConfigFaults } from "../../src/train/config.ts";

test("all faults at once: what is missing, misspelt, out of range, of the wrong kind, and contradictory", () => {
  const json = { rnak: 4, batch: 2, microBatch: 4, lambda: 1.5, seed: -1, gate: "soft", keepLow: 0.9, rank: "8" };
  const faults = trainConfigFaults(json);
  for (const name of [
    "steps: missing",
    "rnak",
    "microBatch: 4 is above batch 2",
    "lambda",
    "seed",
    "gate",
    "rank",
    "keepLow",
  ]) {
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
  const config = parseTrainConfig({ steps: 5, seed: 0 });
  for (const { name, fallback } of TRAIN_CONFIG_FIELDS) {
    if (name !== "steps") expect(config[name], name).toBe(fallback);
  }
  expect(parseTrainConfig(config)).toEqual(config);
});

test("every setting is described and of a kind that a flag can give", () => {
  expect(TRAIN_CONFIG_FIELDS.length).toBeGreaterThan(25);
  for (const { name, description, kind, words, fallback } of TRAIN_CONFIG_FIELDS) {
    expect(description, name).not.toBe("");
    expect(kind === "word", name).toBe(words.length > 0);
    if (kind === "word") expect(words, name).toContain(fallback);
    else if (fallback !== undefined) expect(typeof fallback, name).toBe("number");
  }
});
