import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeUtf8 } from "../../src/util/utf8.ts";

const text = fc.string({ unit: "grapheme", maxLength: 20 });

test("well-formed bytes are the text, without a byte order mark", () => {
  fc.assert(
    fc.property(text, (written) => {
      fc.pre(!written.startsWith("\ufeff"));
      expect(decodeUtf8(Buffer.from(written), "f")).toBe(written);
      expect(decodeUtf8(Buffer.from(`\ufeff${written}`), "f")).toBe(written);
    }),
  );
});

test("the error names the first byte that is no character", () => {
  // A lone continuation, a byte that UTF-8 never uses, Latin-1, an overlong form, half of a surrogate pair, a cut character.
  const fault = fc.constantFrom("80", "ff", "e920", "c0af", "eda080", "f09f98");
  fc.assert(
    fc.property(text, fault, text, (before, hex, after) => {
      fc.pre(hex !== "f09f98" || after === "");
      const bytes = Buffer.concat([Buffer.from(before), Buffer.from(hex, "hex"), Buffer.from(after)]);
      expect(() => decodeUtf8(bytes, "f")).toThrow(
        expect.objectContaining({
          code: "bad-file",
          message: expect.stringContaining(`0x${hex.slice(0, 2)} at offset ${Buffer.byteLength(before)}\n`) as string,
        }) as Error,
      );
    }),
  );
});
