import fc from "fast-check";
import { expect, test } from "vitest";
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatNumber,
  formatPercent,
  formatRate,
} from "../../src/util/format.ts";

test("counts are grouped", () => {
  expect([0, 999, 1000, 1234567].map(formatCount)).toEqual(["0", "999", "1,000", "1,234,567"]);
});

test("numbers have three significant digits", () => {
  expect([0, 1.4567, -12.34, 0.0012, 5e-5, 999.6, 1000, 24100, 0.99951].map((value) => formatNumber(value))).toEqual([
    "0",
    "1.46",
    "-12.3",
    "0.00120",
    "5.00e-5",
    "1,000",
    "1,000",
    "24,100",
    "1.00",
  ]);
  expect([Number.NaN, Infinity, -Infinity].map((value) => formatNumber(value))).toEqual([
    "NaN",
    "Infinity",
    "-Infinity",
  ]);
});

test("bytes go up in powers of 1000, and never show 1000 of a unit", () => {
  expect([0, 1, 999, 1000, 1500, 999_499, 999_600, 27_648_000, 2e9, 5e18].map(formatBytes)).toEqual([
    "0 B",
    "1 B",
    "999 B",
    "1.00 kB",
    "1.50 kB",
    "999 kB",
    "1.00 MB",
    "27.6 MB",
    "2.00 GB",
    "5,000 PB",
  ]);
});

test("durations show the two units that matter", () => {
  const seconds = [0, 0.1204, 0.9996, 4.24, 59.94, 59.96, 185, 3599.4, 3599.6, 7800, 86_399, 97_200, -4.2, Infinity];
  expect(seconds.map(formatDuration)).toEqual([
    "0 ms",
    "120 ms",
    "1.0 s",
    "4.2 s",
    "59.9 s",
    "1 min 00 s",
    "3 min 05 s",
    "59 min 59 s",
    "1 h 00 min",
    "2 h 10 min",
    "1 d 00 h",
    "1 d 03 h",
    "-4.2 s",
    "Infinity",
  ]);
});

test("a duration never shows 60 of a unit", () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e6, noNaN: true }), (seconds) => {
      expect(formatDuration(seconds)).not.toMatch(/\b(1000 ms|60\.0 s|60 s|60 min|24 h)\b/);
    }),
  );
});

test("percentages drop trailing zeros, rates name their unit", () => {
  expect([1, 0.25, 0.001, 1 / 3, 0, 0.0704].map((part) => formatPercent(part))).toEqual([
    "100%",
    "25%",
    "0.1%",
    "33.3%",
    "0%",
    "7.04%",
  ]);
  expect(formatRate(241.3, "tokens")).toBe("241 tokens/s");
});
