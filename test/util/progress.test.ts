import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { formatBytes } from "../../src/util/format.ts";
import { liveProgressLine, plainProgressLine } from "../../src/util/progress-line.ts";
import type { ProgressState } from "../../src/util/progress-line.ts";
import { startProgress, withProgress } from "../../src/util/progress.ts";
import { createRateMeter } from "../../src/util/rate-meter.ts";
import { columnsOf } from "../../src/util/text-width.ts";

const state: ProgressState = {
  unit: "steps",
  done: 420,
  total: 1000,
  perSecond: 0.35,
  elapsedSeconds: 61,
  fields: new Map([
    ["loss", "1.234"],
    ["keep", "25%"],
  ]),
};

function stream(isTTY: boolean, columns = 80) {
  const written: string[] = [];
  const fake = {
    isTTY,
    columns,
    rows: 24,
    written,
    write: (text: string) => {
      written.push(text);
      return true;
    },
    cursorTo: () => true,
    moveCursor: () => true,
    clearLine: () => true,
    once: () => fake,
    removeListener: () => fake,
  };
  return fake as unknown as NodeJS.WriteStream & { written: string[] };
}

describe("the line", () => {
  test("bar, share, count, time left, rate, fields", () => {
    expect(liveProgressLine(state, 120)).toBe(
      `${"█".repeat(12)}${"░".repeat(18)}  42% 420/1,000 steps · 27 min 37 s left · 0.350 steps/s · loss 1.234 · keep 25%`,
    );
  });

  test("narrow terminals lose length of the bar, then facts from the end; only the count is ever cut", () => {
    expect(liveProgressLine(state, 60)).toMatchInlineSnapshot(
      `"████████░░░░░░░░░░░░  42% 420/1,000 steps · 27 min 37 s left"`,
    );
    expect(liveProgressLine(state, 25)).toMatchInlineSnapshot(`" 42% 420/1,000 steps"`);
    expect(liveProgressLine(state, 12)).toMatchInlineSnapshot(`" 42% 420/1,…"`);
  });

  test("without a total there is no bar, share or time left", () => {
    expect(liveProgressLine({ ...state, total: undefined }, 80)).toBe(
      "420 steps · 0.350 steps/s · loss 1.234 · keep 25%",
    );
  });

  test("bytes are written as bytes", () => {
    const bytes = { ...state, done: 5e6, total: 2e7, perSecond: 1e6, fields: new Map(), format: formatBytes };
    expect(plainProgressLine(bytes)).toBe("5.00 MB of 20.0 MB · after 1 min 01 s · 15.0 s left · 1.00 MB/s");
  });

  test("fits any width", () => {
    fc.assert(
      fc.property(fc.nat(2000), fc.nat(2000), fc.integer({ min: 1, max: 200 }), (done, total, columns) => {
        expect(columnsOf(liveProgressLine({ ...state, done, total }, columns))).toBeLessThanOrEqual(columns);
      }),
    );
  });

  test("fields cannot steer the terminal or break the line", () => {
    const fields = new Map([["answer", "\u001b[2Ja\nb"]]);
    expect(plainProgressLine({ ...state, fields })).toContain("answer \\u001b[2Ja b");
  });
});

describe("the rate", () => {
  test("a steady loop", () => {
    const meter = createRateMeter();
    for (let second = 0; second <= 300; second++) meter.record(second * 5, second);
    expect(meter.perSecond()).toBeCloseTo(5, 10);
  });

  test("unknown before time has passed", () => {
    const meter = createRateMeter();
    expect(meter.perSecond()).toBeUndefined();
    meter.record(400, 10);
    expect(meter.perSecond()).toBeUndefined();
    meter.record(410, 12);
    expect(meter.perSecond()).toBe(5);
  });

  test("follows a machine that slows down, within a minute", () => {
    const meter = createRateMeter();
    for (let second = 0; second <= 100; second++) meter.record(second * 10, second);
    for (let second = 101; second <= 170; second++) meter.record(1000 + (second - 100), second);
    expect(meter.perSecond()).toBeLessThan(1.2);
  });

  test("a step every two minutes is averaged over eight steps", () => {
    const meter = createRateMeter();
    for (let step = 0; step <= 20; step++) meter.record(step, step * 120 + (step % 2) * 30);
    expect(meter.perSecond()).toBeCloseTo(1 / 120, 3);
  });
});

describe("the display", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "setTimeout", "clearTimeout", "performance", "Date"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("off a terminal: a plain line every few seconds and one at the end", () => {
    const out = stream(false);
    const progress = startProgress({
      label: "train",
      unit: "steps",
      total: 100,
      done: 40,
      plainEverySeconds: 10,
      stream: out,
    });
    for (let step = 41; step <= 65; step++) {
      vi.advanceTimersByTime(1000);
      progress.update(step, { loss: (step / 100).toFixed(2) });
    }
    progress.stop();
    progress.stop();
    vi.advanceTimersByTime(60_000);
    expect(out.written).toEqual([
      "train: 49/100 steps · after 10.0 s · 51.0 s left · 1.00 steps/s · loss 0.49\n",
      "train: 59/100 steps · after 20.0 s · 41.0 s left · 1.00 steps/s · loss 0.59\n",
      "train: 65/100 steps · after 25.0 s · 35.0 s left · 1.00 steps/s · loss 0.65\n",
    ]);
  });

  test("on a terminal: one line redrawn, no wider than the terminal, a plain line at the end", () => {
    vi.stubEnv("TERM", "xterm");
    const out = stream(true, 40);
    const progress = startProgress({ label: "train", unit: "steps", total: 100, stream: out });
    for (let step = 1; step <= 50; step++) {
      vi.advanceTimersByTime(100);
      progress.update(step, { loss: "1.234", "forward KL": "0.9" });
    }
    const frames = out.written.filter((text) => text.includes("train"));
    progress.stop();
    expect(frames.length).toBeGreaterThan(20);
    for (const frame of frames) expect(columnsOf(frame)).toBeLessThan(40);
    expect(frames.join("")).not.toContain("\n");
    expect(out.written.at(-1)).toMatch(/^train: 50\/100 steps · after 5\.0 s .* loss 1\.234 · forward KL 0\.9\n$/);
    vi.unstubAllEnvs();
  });

  test("stops when the work throws", async () => {
    const out = stream(false);
    const work = withProgress({ label: "pull", unit: "files", stream: out }, (progress) => {
      progress.update(3);
      return Promise.reject(new Error("lost"));
    });
    await expect(work).rejects.toThrow("lost");
    expect(out.written).toEqual(["pull: 3 files · after 0 ms\n"]);
    expect(vi.getTimerCount()).toBe(0);
  });
});
