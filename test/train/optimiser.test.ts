import { readFile } from "node:fs/promises";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { floats } from "../../src/tensor/tensor.ts";
import { adamW, type AdamWSettings, zeroMoments } from "../../src/train/adamw.ts";
import { clipGradients } from "../../src/train/clip.ts";
import type { Parameters } from "../../src/train/parameters.ts";
import { scheduleAt } from "../../src/train/schedule.ts";
import { golden } from "./tiny-model.ts";

interface Golden {
  readonly settings: AdamWSettings & { readonly clip: number };
  readonly rates: Readonly<Record<string, number>>;
  readonly shapes: Readonly<Record<string, number[]>>;
  readonly start: Readonly<Record<string, number[]>>;
  readonly steps: readonly {
    readonly gradients: Readonly<Record<string, number[]>>;
    readonly norm: number;
    readonly values: Readonly<Record<string, number[]>>;
  }[];
}

describe("AdamW", () => {
  test("six steps, clipped and not, are PyTorch's", async () => {
    const { settings, rates, shapes, start, steps } = JSON.parse(
      await readFile(golden("adamw.json"), "utf8"),
    ) as Golden;
    const asTensors = (values: Readonly<Record<string, number[]>>): Parameters =>
      new Map(Object.entries(values).map(([name, own]) => [name, floats(shapes[name] ?? [], own)]));
    const parameters = asTensors(start);
    const moments = zeroMoments(parameters);
    expect(steps.some(({ norm }) => norm > settings.clip) && steps.some(({ norm }) => norm < settings.clip)).toBe(true);
    for (const [index, { gradients, norm, values }] of steps.entries()) {
      const own = asTensors(gradients);
      expect(clipGradients(own, settings.clip) / norm).toBeCloseTo(1, 6);
      adamW(parameters, moments, own, index + 1, (name) => rates[name] ?? NaN, settings);
      for (const [name, wanted] of Object.entries(values)) {
        const got = parameters.get(name)?.data ?? new Float32Array();
        expect(got).toHaveLength(wanted.length);
        // Parameters and moments are stored as float32 after every step, PyTorch's here as float64.
        for (const [i, value] of wanted.entries()) expect(Math.abs((got[i] ?? NaN) - value)).toBeLessThan(2e-6);
      }
    }
  });

  test("what the loss does not reach stays as it is, with its moments", () => {
    const parameters = new Map([["a", floats([2], [1, 2])]]);
    const moments = zeroMoments(parameters);
    const settings = { beta1: 0.9, beta2: 0.98, epsilon: 1e-8, weightDecay: 0.1 };
    adamW(parameters, moments, new Map(), 1, () => 1, settings);
    expect([...(parameters.get("a")?.data ?? [])]).toEqual([1, 2]);
    expect([...(moments.first.get("a")?.data ?? [])]).toEqual([0, 0]);
  });
});

describe("clipping", () => {
  const values = fc.array(fc.float({ min: -1e3, max: 1e3, noNaN: true }), { minLength: 1, maxLength: 8 });

  test("the common norm is at most the limit, directions stay, what is short enough is not touched", () => {
    fc.assert(
      fc.property(values, values, fc.double({ min: 1e-3, max: 100, noNaN: true }), (a, b, limit) => {
        const gradients = new Map([
          ["a", floats([a.length], a)],
          ["b", floats([b.length], b)],
        ]);
        const before = [...Float32Array.from(a), ...Float32Array.from(b)];
        const norm = clipGradients(gradients, limit);
        expect(norm).toBeCloseTo(Math.hypot(...before), 3);
        const after = [...gradients.values()].flatMap(({ data }) => [...data]);
        const scale = norm > limit ? limit / norm : 1;
        if (scale === 1) expect(after).toEqual(before);
        for (const [i, value] of after.entries()) expect(value).toBeCloseTo((before[i] ?? NaN) * scale, 3);
        expect(Math.hypot(...after)).toBeLessThanOrEqual(limit * (1 + 1e-5));
      }),
    );
  });

  test.each([NaN, Infinity, -Infinity])("%s is refused by name and nothing is scaled", (bad) => {
    const gradients = new Map([
      ["good", floats([2], [30, 40])],
      ["bad", floats([2], [1, bad])],
    ]);
    expect(() => clipGradients(gradients, 1)).toThrow(
      expect.objectContaining({ code: "not-finite", facts: expect.objectContaining({ faults: ["bad"] }) as unknown }),
    );
    expect([...(gradients.get("good")?.data ?? [])]).toEqual([30, 40]);
  });
});

describe("learning rate", () => {
  const schedule = { steps: 100, warmupSteps: 10, floor: 0.1 };

  test("rises in equal steps to the peak, then falls along a cosine to the floor", () => {
    const factors = Array.from({ length: 100 }, (_, step) => scheduleAt(step, schedule));
    for (let step = 0; step < 10; step++) expect(factors[step]).toBeCloseTo((step + 1) / 10, 12);
    expect(factors[10]).toBe(1);
    for (let step = 11; step < 100; step++) expect(factors[step]).toBeLessThan(factors[step - 1] ?? 0);
    expect(scheduleAt(55, schedule)).toBeCloseTo(0.55, 12);
    expect(scheduleAt(100, schedule)).toBeCloseTo(0.1, 12);
    expect(scheduleAt(1000, schedule)).toBeCloseTo(0.1, 12);
  });

  test("is never 0 nor above 1, whatever the settings", () => {
    const settings = fc.record({
      steps: fc.integer({ min: 1, max: 500 }),
      warmupSteps: fc.integer({ min: 1, max: 600 }),
      floor: fc.double({ min: 0.01, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(settings, fc.nat(600), (own, step) => {
        const factor = scheduleAt(step, own);
        expect(factor).toBeGreaterThan(0);
        expect(factor).toBeLessThanOrEqual(1);
      }),
    );
  });
});
