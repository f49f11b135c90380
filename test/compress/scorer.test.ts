import { expect, test } from "vitest";
import { SCORER_ACTIVATIONS, SCORER_NORMS } from "../../src/cache/adapter.ts";
import type { ScorerShape } from "../../src/compress/scorer.ts";
import { scorerGraph, scorerKey } from "../../src/compress/scorer-graph.ts";
import { interpret } from "../../src/graph/interpreter/interpreter.ts";
import { randomFromSeed } from "../../src/util/random.ts";

const [hiddenSize, scorerWidth, columns, tokens] = [6, 5, 3, 4];
const random = randomFromSeed(3);
const numbers = (dims: readonly number[]) => ({
  dims,
  data: Float64Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random.normal()),
});
const feeds = {
  hidden: numbers([tokens, hiddenSize]),
  "fc1.weight": numbers([scorerWidth, hiddenSize]),
  "fc1.bias": numbers([scorerWidth]),
  "fc2.weight": numbers([columns, scorerWidth]),
  "fc2.bias": numbers([columns]),
};

/** Abramowitz and Stegun 7.1.26, within 1.5e-7. */
function erf(x: number): number {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const tail = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return Math.sign(x) * (1 - tail * Math.exp(-x * x));
}

const ACTIVATIONS: Readonly<Record<ScorerShape["scorerActivation"], (x: number) => number>> = {
  gelu: (x) => (x * (1 + erf(x / Math.SQRT2))) / 2,
  "gelu-tanh": (x) => (x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))) / 2,
  silu: (x) => x / (1 + Math.exp(-x)),
};

function normed(row: readonly number[]): number[] {
  const mean = row.reduce((a, b) => a + b, 0) / row.length;
  const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / row.length;
  return row.map((value) => (value - mean) / Math.sqrt(variance + 1e-5));
}

function linear(row: readonly number[], weight: Float64Array, bias: Float64Array): number[] {
  return Array.from(bias, (start, out) =>
    row.reduce((sum, value, i) => sum + value * (weight[out * row.length + i] ?? NaN), start),
  );
}

const forms = SCORER_NORMS.flatMap((scorerNorm) =>
  SCORER_ACTIVATIONS.map((scorerActivation) => ({ scorerNorm, scorerActivation })),
);

test.each(forms)("$scorerNorm norm, $scorerActivation: the scores are those of the formula", (form) => {
  const shape = { ...form, scorerWidth, hiddenSize, columns };
  const scores = [...(interpret(scorerGraph(shape), feeds).scores?.data ?? [])];
  const expected = Array.from({ length: tokens }, (_, token) => {
    const row = [...feeds.hidden.data.subarray(token * hiddenSize, (token + 1) * hiddenSize)];
    const first = form.scorerNorm === "layer" ? normed(row) : row;
    const inner = linear(first, feeds["fc1.weight"].data, feeds["fc1.bias"].data).map(
      ACTIVATIONS[form.scorerActivation],
    );
    return linear(inner, feeds["fc2.weight"].data, feeds["fc2.bias"].data);
  }).flat();
  expect(scores).toHaveLength(expected.length);
  for (const [i, value] of expected.entries()) expect(scores[i]).toBeCloseTo(value, 5);
});

test("every form's graph has a name of its own", () => {
  const keys = forms.map((form) => scorerKey({ ...form, scorerWidth, hiddenSize, columns }));
  expect(new Set(keys).size).toBe(forms.length);
});
