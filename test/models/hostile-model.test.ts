import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { GgufFile } from "../../src/formats/gguf/header.ts";
import { optionalMetadata } from "../../src/formats/gguf/lookup.ts";
import { ropeScalingFromFactors } from "../../src/models/gguf/rope-factors.ts";
import { matchWeights } from "../../src/models/loading/match-weights.ts";
import { readModelConfig } from "../../src/models/read-config.ts";
import { createTokenizer } from "../../src/models/tokenizer.ts";
import { tinyModel } from "./tiny-models.ts";

const whole = JSON.parse(
  readFileSync(new URL("../golden/gguf-models/llama/tokenizer.json", import.meta.url), "utf8"),
) as object;

describe("a tokenizer whose steps are nested without end is refused, not followed", () => {
  const nested = (field: string): unknown => {
    const depth = 20_000;
    return JSON.parse(`{"type":"Sequence","${field}":[`.repeat(depth) + "]}".repeat(depth));
  };
  test.each([
    ["normalizer", "normalizers"],
    ["pre_tokenizer", "pretokenizers"],
    ["decoder", "decoders"],
    ["post_processor", "processors"],
  ])("%s", (step, field) => {
    const tokenizerJson = { ...whole, [step]: nested(field) };
    expect(() => createTokenizer({ tokenizerJson, tokenizerConfig: {}, eosTokenIds: [], where: "file" })).toThrow(
      expect.objectContaining({ code: "too-large" }),
    );
  });
});

test("a rotary tensor of a million divisors is a tensor like any other", () => {
  const factors = new Float32Array(1_000_000).fill(3);
  expect(() => ropeScalingFromFactors(factors, 10_000, "file")).toThrow(
    expect.objectContaining({ code: "unsupported" }),
  );
});

test.each([NaN, Infinity, -Infinity])("metadata of %d is no number: it would be taken for a missing one", (value) => {
  const metadata = new Map([["llama.rope.freq_base", { type: "float32" as const, value }]]);
  const file: GgufFile = { path: "file", metadata, tensors: new Map() };
  expect(() => optionalMetadata(file, "llama.rope.freq_base", "number")).toThrow(
    expect.objectContaining({ code: "bad-file" }),
  );
});

test("a configuration of sixteen million layers is refused before their weights are named", () => {
  const json: unknown = JSON.parse(readFileSync(join(tinyModel("llama"), "config.json"), "utf8"));
  const config = readModelConfig(json, "config.json");
  expect(() => matchWeights({ ...config, numLayers: 2 ** 24 }, [], "folder")).toThrow(
    expect.objectContaining({ code: "bad-file" }),
  );
});
