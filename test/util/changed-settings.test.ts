import fc from "fast-check";
import { expect, test } from "vitest";
import { changedSettings } from "../../src/util/changed-settings.ts";

test("names what differs, whatever the order of keys", () => {
  const wanted = { version: 1, settings: { keep: 0.5, seed: 0 }, added: "x" };
  const found = { settings: { seed: 0, keep: 0.5 }, version: 2, dropped: null };
  expect(changedSettings(found, wanted)).toEqual([
    "version: begun with 2, now 1",
    'added: begun with nothing, now "x"',
    "dropped: begun with null, now nothing",
  ]);
});

test("fields that are called as members of every object are", () => {
  const found = JSON.parse('{"toString": 1, "__proto__": 2}') as Record<string, unknown>;
  expect(changedSettings(found, { constructor: 3 }).toSorted()).toEqual([
    "__proto__: begun with 2, now nothing",
    "constructor: begun with nothing, now 3",
    "toString: begun with 1, now nothing",
  ]);
});

test("is short, whatever the file holds", () => {
  const long = "x".repeat(100_000);
  expect(changedSettings({ [long]: 1, hash: long }, { hash: "y" }).join("\n").length).toBeLessThan(500);
  const many = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`key${i}`, i]));
  expect(changedSettings(many, {})).toHaveLength(51);
});

test("nothing where nothing differs", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (settings) => {
      expect(changedSettings(settings, structuredClone(settings))).toEqual([]);
    }),
  );
});
