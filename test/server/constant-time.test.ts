import { createHash, timingSafeEqual } from "node:crypto";
import fc from "fast-check";
import { beforeEach, expect, test, vi } from "vitest";
import { createTokens } from "../../src/server/access/tokens.ts";

vi.mock(import("node:crypto"), async (original) => {
  const own = await original();
  return { ...own, timingSafeEqual: vi.fn(own.timingSafeEqual) };
});
const compared = vi.mocked(timingSafeEqual);
beforeEach(() => {
  compared.mockClear();
});

const KNOWN = ["alice-0123456789abcdef", "bob-0123456789abcdefgh", "c".repeat(5000)];
const digest = (text: string): string => createHash("sha256").update(text).digest("hex");
const hex = (bytes: unknown): string => Buffer.from(bytes as Uint8Array).toString("hex");

/** What was compared for one header: digests of what is known and of what was given. */
function comparisons(header: string | null): { readonly tenant: string | undefined; readonly pairs: string[][] } {
  compared.mockClear();
  const tenant = createTokens(KNOWN).tenantOf(header);
  return { tenant, pairs: compared.mock.calls.map(([own, given]) => [hex(own), hex(given)]) };
}

test("S12: a token is compared with every known one by timingSafeEqual over digests, whatever it is and whichever fits", () => {
  const token = fc.oneof(
    fc.constantFrom(...KNOWN),
    fc.constantFrom(...KNOWN).chain((known) => fc.nat(known.length).map((length) => known.slice(0, length))),
    fc.stringMatching(/^[!-~]{1,100}$/),
    fc.nat(20_000).map((length) => "x".repeat(length)),
  );
  fc.assert(
    fc.property(token, (given) => {
      const { tenant, pairs } = comparisons(`Bearer ${given}`);
      expect(pairs).toEqual(KNOWN.map((known) => [digest(known), digest(given)]));
      expect(tenant !== undefined).toBe(KNOWN.includes(given));
    }),
  );
});

test.each([null, "", "Bearer", "Bearer ", "Basic YWxpY2U6eA==", "Bearer a b", "\u0000"])(
  "a header without a token (%j) is refused after the same work",
  (header) => {
    const { tenant, pairs } = comparisons(header);
    expect(tenant).toBeUndefined();
    expect(pairs).toEqual(KNOWN.map((known) => [digest(known), digest("")]));
  },
);
