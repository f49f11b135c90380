import { afterEach, expect, test, vi } from "vitest";
import { showTraining } from "../../src/cli/train/display.ts";
import { createLogger, type LogLevel } from "../../src/util/log.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

/** What a run of 8 steps, taken up after the second, leaves on stderr when it stops after the fourth. */
function lines(level: LogLevel): string {
  let written = "";
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    written += String(text);
    return true;
  });
  const display = showTraining(
    8,
    createLogger(level, () => undefined),
  );
  const { listeners } = display;
  listeners.onStart({ step: 2, examples: 20 });
  for (const step of [3, 4]) {
    listeners.onStep({
      step,
      epoch: 0,
      keep: 0.25,
      loss: 0.75,
      forwardKl: 0.625,
      reverseKl: 0.875,
      scorerDistance: 0,
      gradientNorm: 1,
      learningRate: 1e-4,
      tokens: 300,
      seconds: 1.5,
      residentBytes: 3 * 2 ** 30,
    });
  }
  display.stop();
  expect(display.totals()).toEqual({ steps: 2, tokens: 600, seconds: 3 });
  return written;
}

test("the line has loss, both divergences, speed, memory, and how far it is", () => {
  const line = lines("info");
  expect(line).toMatch(/^train: 4\/8 steps/);
  for (const part of [/loss 0\.75/, /· KL 0\.625/, /reverse KL 0\.875/, /tokens\/s 200/, /memory 3\.2\d? GB/]) {
    expect(line).toMatch(part);
  }
  expect(line).toMatch(/left/);
});

test("nothing below the log level", () => {
  expect(lines("warn")).toBe("");
});
