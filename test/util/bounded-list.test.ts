import fc from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import { boundedList } from "../../src/util/bounded-list.ts";

const item = z.strictObject({ a: z.int().min(0), b: z.string().default("x") });

test("takes what a list of zod's takes, and nothing else", () => {
  const ours = boundedList(item, { least: 1, most: 5 });
  const zods = z.array(item).min(1).max(5);
  const value = fc.oneof(
    fc.record({ a: fc.oneof(fc.nat(), fc.integer(), fc.double()) }),
    fc.record({ a: fc.nat(), b: fc.string() }),
    fc.jsonValue(),
  );
  fc.assert(
    fc.property(fc.oneof(fc.array(value, { maxLength: 7 }), fc.jsonValue()), (given) => {
      const [own, wanted] = [ours.safeParse(given), zods.safeParse(given)];
      expect(own.success).toBe(wanted.success);
      if (own.success) expect(own.data).toEqual(wanted.data);
    }),
  );
});

test("names the places of faults, and ends at the tenth faulty item", () => {
  const { error } = z.object({ list: boundedList(item) }).safeParse({ list: [{ a: 1 }, { a: -1 }, 5] });
  expect(error?.issues.map(({ path }) => path.join("."))).toEqual(["list.1.a", "list.2"]);
  const many = boundedList(z.string()).safeParse(Array<number>(1_000_000).fill(0));
  expect(many.error?.issues).toHaveLength(10);
});
