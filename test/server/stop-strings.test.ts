import fc from "fast-check";
import { expect, test } from "vitest";
import { stopFilter } from "../../src/server/answers/stop-strings.ts";

const text = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 30 });
const stops = fc.array(fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 4 }), {
  maxLength: 3,
});

test("however a text is cut into pieces, what comes out is the text up to the first stop string", () => {
  fc.assert(
    fc.property(text, stops, fc.array(fc.nat(5)), (whole, stops, cuts) => {
      const filter = stopFilter(stops);
      let given = "";
      let at = 0;
      for (const size of [...cuts, whole.length]) {
        given += filter.push(whole.slice(at, at + size));
        at += size;
        // Nothing is given out that would have to be taken back.
        expect(whole.startsWith(given)).toBe(true);
      }
      given += filter.end();
      const ends = stops.map((stop) => whole.indexOf(stop)).filter((found) => found >= 0);
      // The stop string that is complete first counts; it begins where the text ends.
      const first = stops.map((stop) => ({ stop, at: whole.indexOf(stop) })).filter(({ at }) => at >= 0);
      expect(filter.stopped).toBe(ends.length > 0);
      if (first.length === 0) expect(given).toBe(whole);
      else expect(first.some(({ at }) => at === given.length)).toBe(true);
      for (const stop of stops) expect(given.includes(stop) && !filter.stopped).toBe(false);
    }),
  );
});

test("text that cannot be the beginning of a stop string is given out at once", () => {
  const filter = stopFilter(["</end>"]);
  expect(filter.push("hello <")).toBe("hello ");
  expect(filter.push("b>")).toBe("<b>");
  expect(filter.push("</en")).toBe("");
  expect(filter.end()).toBe("</en");
});
