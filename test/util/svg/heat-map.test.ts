import fc from "fast-check";
import { expect, test } from "vitest";
import { type HeatMap, heatMap } from "../../../src/util/svg/heat-map.ts";

const map: HeatMap = {
  title: "Needle",
  x: { label: "length", values: ["512", "1,024"] },
  y: { label: "depth", values: ["0%", "50%", "100%"] },
  panels: [
    {
      name: "h2o 25%",
      cells: [
        [0, 100],
        [null, 49.6],
        [100, 100],
      ],
    },
  ],
  range: [0, 100],
  format: (value) => value.toFixed(0),
};

test("every cell says its place and value; what was not measured says so; colours go with values", () => {
  const svg = heatMap(map);
  expect(
    [...svg.matchAll(/<rect class="(heat\d|empty)"[^>]*><title>([^<]*)/g)].map(([, look, said]) => [look, said]),
  ).toEqual([
    ["heat0", "h2o 25%: 0%, 512: 0"],
    ["heat9", "h2o 25%: 0%, 1,024: 100"],
    ["empty", "h2o 25%: 50%, 512: not measured"],
    ["heat4", "h2o 25%: 50%, 1,024: 50"],
    ["heat9", "h2o 25%: 100%, 512: 100"],
    ["heat9", "h2o 25%: 100%, 1,024: 100"],
  ]);
  expect(svg).toMatch(/<text class="on4"[^>]*>50<\/text>/);
  expect(svg).not.toMatch(/NaN|Infinity|undefined|<script|href/);
});

test("panels wrap to the width, and no cell leaves the picture", () => {
  const panels = Array.from({ length: 9 }, (_, i) => ({ name: `method ${i}`, cells: map.panels[0]?.cells ?? [] }));
  for (const width of [358, 720]) {
    const svg = heatMap({ ...map, panels, width });
    const ends = [...svg.matchAll(/<rect class="heat\d" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"/g)].map(
      ([, x, own]) => Number(x) + Number(own),
    );
    expect(Math.max(...ends)).toBeLessThanOrEqual(width);
    const height = Number(/height="(\d+)"/.exec(svg)?.[1]);
    const bottoms = [...svg.matchAll(/<rect class="(?:heat\d|empty)" x="[\d.]+" y="([\d.]+)"/g)].map(([, y]) =>
      Number(y),
    );
    expect(Math.max(...bottoms)).toBeLessThan(height);
  }
});

test("text is escaped; what does not fit the axes is refused", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const svg = heatMap({
        ...map,
        title: text,
        x: { label: text, values: [text, "b"] },
        panels: [{ name: `<b>${text}`, cells: map.panels[0]?.cells ?? [] }],
      });
      expect(svg).not.toContain("<b>");
      expect(svg.replaceAll(/<\/?[a-z]+(?:\s[\w:-]+="[^"<]*")*\/?>/g, "")).not.toMatch(/[<>]/);
    }),
    { numRuns: 10 },
  );
  expect(() => heatMap({ ...map, panels: [{ name: "a", cells: [[1]] }] })).toThrow("expected 3 rows of 2 cells");
  expect(() => heatMap({ ...map, panels: [] })).toThrow("nothing to draw");
});
