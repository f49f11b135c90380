import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { renderChat } from "../../src/models/chat-template.ts";
import { compareBytes, joinBytes, utf8Bytes } from "../../src/util/bytes.ts";
import { portableSha256, sha256 } from "../../src/util/sha256.ts";

// As in a browser: there is no module of Node's own.
vi.mock("../../src/util/node-builtin.ts", () => ({ nodeBuiltin: () => undefined }));

const template = (text: string) => ({ text, specialTokens: {}, where: "test" });

describe("without Node's own modules", () => {
  test("sums are the same, however the bytes come in pieces", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }), fc.string(), (pieces, text) => {
        const ours = sha256();
        for (const piece of pieces) ours.update(piece);
        const expected = createHash("sha256").update(Buffer.concat(pieces)).update(text);
        expect(ours.update(text).hex()).toBe(expected.digest("hex"));
      }),
    );
    expect(portableSha256().hex()).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  });

  test("a chat template renders, and is stopped when it takes too long", () => {
    const options = { addGenerationPrompt: false, timeLimit: 50 };
    const messages = [{ role: "user", content: "hello" }];
    expect(renderChat(template("{{ messages[0].content }}!"), messages, options)).toBe("hello!");
    const endless = "{% for a in range(60000) %}{% for b in range(60000) %}{{ b }}{% endfor %}{% endfor %}";
    const tooLarge: Error = expect.objectContaining({ code: "too-large" }) as Error;
    expect(() => renderChat(template(endless), [], options)).toThrow(tooLarge);
  });
});

describe("bytes", () => {
  const bytes = fc.uint8Array({ maxLength: 20 });

  test("are joined and ordered as Buffer does", () => {
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        expect(Buffer.from(joinBytes([a, b])).equals(Buffer.concat([a, b]))).toBe(true);
        expect(Math.sign(compareBytes(a, b))).toBe(Buffer.compare(a, b));
      }),
    );
  });

  test("of a text are its UTF-8, lone surrogates replaced", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(0xffff), { maxLength: 20 }), (units) => {
        const text = String.fromCharCode(...units);
        expect(Buffer.from(utf8Bytes(text)).equals(Buffer.from(text))).toBe(true);
      }),
    );
  });
});
