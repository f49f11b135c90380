import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { layAxis } from "../../../src/util/svg/axis.ts";
import type { LineChart } from "../../../src/util/svg/chart.ts";
import { element, escapeMarkup } from "../../../src/util/svg/element.ts";
import { lineChart } from "../../../src/util/svg/line-chart.ts";

const chart: LineChart = {
  title: "Loss",
  x: { label: "step" },
  y: { label: "KL", unit: "nats" },
  series: [
    {
      name: "forward",
      points: [
        { x: 0, y: 1.5, low: 1.2, high: 1.9 },
        { x: 10, y: 0.5, low: 0.4, high: 0.7 },
      ],
    },
  ],
};

/** Every tag closed in order, attributes quoted: enough of XML to catch what string building gets wrong. */
function isWellFormed(markup: string): boolean {
  const open: string[] = [];
  for (const [, end, name, , selfClosed] of markup.matchAll(/<(\/?)([a-z]+)((?:\s[\w:-]+="[^"<]*")*)(\/?)>/g)) {
    if (end === "/" && open.pop() !== name) return false;
    if (end === "" && selfClosed === "") open.push(name ?? "");
  }
  const rest = markup.replaceAll(/<\/?[a-z]+(?:\s[\w:-]+="[^"<]*")*\/?>/g, "");
  return open.length === 0 && !/[<>]/.test(rest) && !/&(?!(?:amp|lt|gt|quot);)/.test(rest);
}

describe("line chart", () => {
  test("is self-contained, has title, axes with units, band, line and marks with their values", () => {
    const svg = lineChart(chart);
    expect(isWellFormed(svg)).toBe(true);
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" class="kvc" role="img" aria-label="Loss"/);
    expect(svg).not.toMatch(/<script|href|url\(|@import|@font-face|\bon\w+=|http(?!:\/\/www\.w3\.org\/2000\/svg)/);
    expect(svg).toContain("@media (prefers-color-scheme:dark)");
    expect(svg).toContain(">KL (nats)<");
    expect(svg).toContain("<title>forward: 10, 0.5 (0.4 – 0.7)</title>");
    expect(svg.match(/class="area0" fill-opacity/g)).toHaveLength(1);
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
    expect(lineChart(chart)).toBe(svg);
  });

  test("any text is escaped", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const svg = lineChart({
          ...chart,
          title: text,
          subtitle: text,
          x: { label: text },
          series: [
            { name: text, points: [{ x: 1, y: 1 }] },
            { name: "b", points: [{ x: 2, y: 2 }] },
          ],
        });
        expect(isWellFormed(svg)).toBe(true);
      }),
      { numRuns: 20 },
    );
    expect(escapeMarkup('<a & "b">\u0000\ud800')).toBe("&lt;a &amp; &quot;b&quot;&gt;\ufffd\ufffd");
    expect(element("text", { x: 1.23456, y: 2 }, "hi")).toBe('<text x="1.23" y="2">hi</text>');
  });

  test("a legend with more than one series, wrapped to the width", () => {
    const series = Array.from({ length: 12 }, (_, index) => ({
      name: `method ${index}`,
      points: [{ x: 1, y: index }],
    }));
    const svg = lineChart({ ...chart, series, width: 400 });
    const places = [...svg.matchAll(/<text x="([\d.]+)" y="([\d.]+)">method \d+</g)];
    expect(places).toHaveLength(12);
    expect(Math.max(...places.map((place) => Number(place[1])))).toBeLessThan(400 - 60);
    expect(new Set(places.map((place) => place[2])).size).toBeGreaterThan(1);
    expect(svg).toContain("stroke-dasharray");
    expect(lineChart(chart)).not.toContain('y="12">forward<');
  });

  test.each([358, 760])(
    "bars of many series stay in a chart of %i pixels, and apart from those of the next place",
    (width) => {
      const keeps = [0.01, 0.1, 1];
      const compared = Array.from({ length: 13 }, (_, index) => ({
        name: `method ${index}`,
        points: keeps.map((x) => ({ x, y: index, low: index - 1, high: index + 1 })),
        intervals: "bars" as const,
        strong: index === 12,
      }));
      const level = { name: "full", points: [0.01, 1].map((x) => ({ x, y: 20 })), reference: true };
      const x = { label: "keep", scale: "log" as const, domain: [0.01, 1] as const, ticks: keeps };
      const svg = lineChart({ ...chart, x, series: [level, ...compared], width });
      const plot = /<svg x="([\d.]+)" y="[\d.]+" width="([\d.]+)"/.exec(svg);
      const [left = NaN, across = NaN] = (plot ?? []).slice(1).map(Number);
      const marks = [
        ...svg.matchAll(/transform="translate\(([\d.]+),[\d.]+\)" d="[^"]*"><title>method \d+: ([\d.]+),/g),
      ];
      expect(marks).toHaveLength(13 * 3);
      const at = keeps.map((keep) =>
        marks.filter(([, , own]) => Number(own) === keep).map(([, place]) => Number(place)),
      );
      expect(Math.min(...at.flat())).toBeGreaterThanOrEqual(left + 5);
      expect(Math.max(...at.flat())).toBeLessThanOrEqual(left + across - 5);
      expect(Math.max(...(at[0] ?? []))).toBeLessThan(Math.min(...(at[1] ?? [])));
      expect(Math.max(...(at[1] ?? []))).toBeLessThan(Math.min(...(at[2] ?? [])));
      // What the chart is about has the first look, and a level reaches over all bars.
      expect(svg).toMatch(/<path d="[^"]+" class="line0" stroke-width="3" stroke-linejoin="round"\/>/);
      const ends = /<path d="M([\d.]+),[\d.]+L([\d.]+),[\d.]+" class="linereference"/.exec(svg)?.slice(1).map(Number);
      expect(ends?.[0]).toBeLessThanOrEqual(Math.min(...at.flat()));
      expect(ends?.[1]).toBeGreaterThanOrEqual(Math.max(...at.flat()));
    },
  );

  test("many lines of legend make a chart taller: the y axis stays as long as its title", () => {
    const series = Array.from({ length: 15 }, (_, index) => ({
      name: `some method ${index}`,
      points: [{ x: 1, y: index }],
    }));
    const y = { label: "a divergence with a long name", unit: "nats a token" };
    const [low = "", tall = ""] = [1600, 300].map((width) => lineChart({ ...chart, y, series, width }));
    const heightOf = (svg: string): number => Number(/ height="(\d+)" viewBox/.exec(svg)?.[1]);
    expect(heightOf(lineChart(chart))).toBe(420);
    expect(heightOf(low)).toBeGreaterThan(420);
    expect(heightOf(tall)).toBeGreaterThan(heightOf(low) + 100);
  });

  test("a value that is not finite breaks the line, the band too", () => {
    const points = [1, 2, Number.NaN, 3, 4].map((y, x) => ({ x, y, low: y - 1, high: y + 1 }));
    const svg = lineChart({ ...chart, series: [{ name: "a", points }] });
    const path = /<path d="([^"]+)" class="line0"/.exec(svg)?.[1] ?? "";
    expect(path.match(/M/g)).toHaveLength(2);
    expect(svg).not.toContain("NaN");
  });

  test("every fault is named at once", () => {
    const bad: LineChart = {
      ...chart,
      x: { label: "x", scale: "log", domain: [0, 1] },
      y: { label: "y", domain: [2, 2] },
      series: [
        {
          name: "a",
          points: [
            { x: -1, y: 1 },
            { x: Number.NaN, y: 1, low: 0 },
          ],
        },
      ],
    };
    expect(() => lineChart(bad)).toThrow(
      [
        "Loss: the chart cannot be drawn",
        "  - x axis: domain and ticks cannot hold 0",
        "  - y axis: the domain is empty",
        '  - series "a", point 0: x is -1 on a log axis',
        '  - series "a", point 1: x is NaN',
        '  - series "a", point 1: low and high come together',
      ].join("\n"),
    );
    expect(() => lineChart({ ...chart, series: [] })).toThrow("no series has a point with a finite y");
  });
});

describe("axes", () => {
  const positive = fc.double({ min: 1e-6, max: 1e6, noNaN: true });

  test("values lie inside the pixels, in order, whatever the data", () => {
    fc.assert(
      fc.property(fc.array(positive, { minLength: 1 }), fc.constantFrom("linear", "log"), (values, scale) => {
        const axis = layAxis({ label: "a", scale }, values, 100, 500);
        const sorted = [...values].sort((a, b) => a - b).map(axis.at);
        sorted.forEach((pixel, index) => {
          expect(pixel).toBeGreaterThanOrEqual(100 - 1e-6);
          expect(pixel).toBeLessThanOrEqual(500 + 1e-6);
          expect(pixel).toBeGreaterThanOrEqual((sorted[index - 1] ?? -1) - 1e-9);
        });
      }),
    );
  });

  test("log ticks are powers of ten over a long span, 1-2-5 over a short one", () => {
    const texts = (values: number[]) =>
      layAxis({ label: "a", scale: "log" }, values, 0, 100).ticks.map((tick) => tick.text);
    expect(texts([0.002, 300])).toEqual(["0.001", "0.01", "0.1", "1", "10", "100", "1000"]);
    expect(texts([1, 80])).toEqual(["1", "2", "5", "10", "20", "50", "100"]);
  });

  test("a domain may run downwards, ticks may be given", () => {
    const axis = layAxis({ label: "keep", scale: "log", domain: [1, 0.01], ticks: [1, 0.1, 0.01] }, [], 0, 200);
    expect(axis.ticks.map((tick) => Math.round(tick.at))).toEqual([0, 100, 200]);
  });
});

describe("what is compared", () => {
  const point = { x: 0.25, y: 30, low: 20, high: 40 };
  const level = [0.1, 1].map((x) => ({ x, y: 45, low: 35, high: 55 }));

  test("bars show the interval of a single point; references are grey and take no colour from the others", () => {
    const svg = lineChart({
      ...chart,
      series: [
        { name: "full", points: level, reference: true },
        { name: "h2o", points: [point], intervals: "bars" },
        { name: "kv-distill", points: [point], intervals: "bars", strong: true },
      ],
    });
    expect(isWellFormed(svg)).toBe(true);
    expect(svg).toContain("areareference");
    expect(svg.match(/class="line[01]" stroke-width="1.4"/g)).toHaveLength(2);
    expect(svg).not.toContain('class="line2" ');
    // Bars of two series at one place stand side by side.
    const bars = [...svg.matchAll(/stroke-width="1.4"[^>]* d="M([\d.]+)/g)].map(([, x]) => Number(x));
    expect((bars[1] ?? 0) - (bars[0] ?? 0)).toBeCloseTo(4, 5);
    expect(svg).toContain("<title>h2o: 0.25, 30 (20 – 40)</title>");
  });

  test("labels of ticks never run into each other", () => {
    const ticks = [0.01, 0.05, 0.1, 0.2, 0.25, 0.5, 1];
    const svg = lineChart({
      ...chart,
      width: 358,
      x: { label: "kept", scale: "log", domain: [0.009, 1.1], ticks, format: (value) => `${value * 100}%` },
      series: [{ name: "a", points: [point] }],
    });
    const places = [...svg.matchAll(/<text class="quiet" x="([\d.]+)"[^>]*text-anchor="middle">([^<]+)%</g)];
    const spans = places.map(([, x, text = ""]) => [Number(x), ((text.length + 1) * 6.8) / 2] as const);
    expect(spans.length).toBeGreaterThan(3);
    spans.slice(1).forEach(([x, half], i) => {
      const [before, own] = spans[i] ?? [0, 0];
      expect(x - half).toBeGreaterThan(before + own);
    });
  });
});
