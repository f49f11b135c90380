import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import type { Adapter } from "../../src/cache/adapter.ts";
import { slotsOf } from "../../src/cache/kv-cache.ts";
import { saveAdapter } from "../../src/cache/save-adapter.ts";
import { findShippedAdapter } from "../../src/cache/shipped-adapter.ts";
import { compress, contextTokens } from "../../src/compress/compress-text.ts";
import { attachAdapter } from "../../src/compress/loaded-adapter.ts";
import { parseMessages } from "../../src/models/chat-context.ts";
import { passagePromptOf } from "../../src/models/load-model.ts";
import { SPAN_END, SPAN_START } from "../../src/models/marked-span.ts";
import type { PromptMessage } from "../../src/models/passage-prompt.ts";
import { tinyAdapter, useTinyModel } from "./tiny.ts";

const code = (name: string): Error => expect.objectContaining({ code: name }) as Error;
const TEXT = "the cat sat on the mat and the dog sat on the log";
const mark = (text: string): string => `${SPAN_START}${text}${SPAN_END}`;

describe("a tiny Llama", () => {
  const { model, work } = useTinyModel("llama");
  const tokensOf = (given: string | readonly PromptMessage[], marked = false) =>
    contextTokens(model().files, given, marked);
  const plainText = (ids: readonly number[]): string => model().files.tokenizer.decode(ids, { skipSpecial: false });

  test("a document is compressed as the prompt encodes it, header included", async () => {
    const ids = passagePromptOf(model().files, "plain").contextIds(TEXT);
    const cache = await compress(model(), TEXT, { keep: 0.5, method: "streaming" });
    expect(Array.from(cache.tokenIds ?? [])).toEqual(ids);
    expect(cache.provenance).toMatchObject({
      method: "streaming",
      adapterHash: "none",
      asked: { kind: "fraction", value: 0.5 },
      span: { start: 0, end: ids.length },
    });
    expect(slotsOf(cache)).toBe(Math.round(ids.length / 2));
  });

  test("a budget in tokens and in bytes of stored rows", async () => {
    const { numLayers, numKvHeads, headDim } = model().config;
    const row = 2 * numLayers * numKvHeads * headDim * 2;
    expect(slotsOf(await compress(model(), TEXT, { keep: { tokens: 7 }, method: "random" }))).toBe(7);
    expect(slotsOf(await compress(model(), TEXT, { keep: { bytes: 8 * row - 1 }, method: "random" }))).toBe(7);
  });

  test("special tokens of a document are letters", () => {
    const { tokenizer } = model().files;
    const { ids } = tokensOf("the <|end|> cat");
    expect(plainText(ids)).toContain("the <|end|> cat");
    expect(ids).not.toContain(tokenizer.idOf("<|end|>"));
  });

  describe("marks in a text", () => {
    test("tell the span, and are no tokens", () => {
      const { ids, span } = tokensOf(`the cat ${mark("sat on the mat")} and the dog`, true);
      expect(plainText(ids.slice(span.start, span.end))).toBe("sat on the mat");
      expect(plainText(ids)).toBe("user: the cat sat on the mat and the dog");
    });

    test("are letters unless they are asked for", () => {
      const { ids, span } = tokensOf(mark("sat"));
      expect(plainText(ids)).toContain(mark("sat"));
      expect(span).toEqual({ start: 0, end: ids.length });
    });

    test.each([
      ["no marks", "the cat"],
      ["no end", `the ${SPAN_START}cat`],
      ["no start", `the cat${SPAN_END}`],
      ["the end first", `${SPAN_END}the cat${SPAN_START}`],
      ["nothing between", `the ${mark("")} cat`],
      ["two spans", `${mark("the")} ${mark("cat")}`],
      ["one in the other", mark(mark("cat"))],
    ])("refused: %s", (_, text) => {
      expect(() => tokensOf(text, true)).toThrow(code("bad-argument"));
    });
  });

  describe("messages", () => {
    const chat = (...contents: readonly string[]): PromptMessage[] =>
      contents.map((content, i) => ({ role: i === 0 ? "system" : i % 2 === 1 ? "user" : "assistant", content }));

    test("are what the template renders, up to the end of the last message", () => {
      const { ids, span } = tokensOf(chat("the dog", `on ${mark("the mat")} again`));
      expect(plainText(ids)).toBe("system: the dog<|end|>user: on the mat again");
      expect(plainText(ids.slice(span.start, span.end))).toBe("the mat");
      const end = model().files.tokenizer.idOf("<|end|>") ?? -1;
      expect(ids.filter((id) => id === end)).toHaveLength(1);
    });

    test("a span may reach over several of them, template included", () => {
      const { ids, span } = tokensOf(chat("the dog", `on ${SPAN_START}the mat`, "all", `went${SPAN_END} home`));
      expect(plainText(ids.slice(span.start, span.end))).toBe("the mat<|end|>assistant: all<|end|>user: went");
    });

    test("special tokens written in them are letters", () => {
      const end = model().files.tokenizer.idOf("<|end|>") ?? -1;
      const { ids } = tokensOf(chat("the <|end|> dog", mark("on<|end|>")));
      expect(ids.filter((id) => id === end)).toHaveLength(1);
    });

    test("outside the span every token is kept, and a question goes on in the last message", async () => {
      const given = chat("the dog sat", `on ${mark("the mat and the log")} again`);
      const { ids, span } = tokensOf(given);
      const cache = await compress(model(), given, { keep: { tokens: 3 }, method: "streaming" });
      expect(cache.provenance.span).toEqual(span);
      expect(slotsOf(cache)).toBe(ids.length - (span.end - span.start) + 3);
      const asked = passagePromptOf(model().files, "plain").questionIds("who?");
      expect(plainText([...(cache.tokenIds ?? []), ...asked])).toBe(
        "system: the dog sat<|end|>user: on the mat and the log again\n\nwho?<|end|>assistant:",
      );
    });

    test("the last one must be the user's", () => {
      expect(() => tokensOf(chat("the dog", "on", mark("the mat")))).toThrow(/"user"/);
    });

    test.each<[string, unknown]>([
      ["no list", { role: "user", content: "x" }],
      ["an empty list", []],
      ["an unknown role", [{ role: "tool", content: "x" }]],
      ["content in parts", [{ role: "user", content: [{ type: "text", text: "x" }] }]],
      ["another field", [{ role: "user", content: "x", name: "y" }]],
    ])("refused as JSON: %s", (_, json) => {
      expect(() => parseMessages(json, "chat.json")).toThrow(code("bad-file"));
    });
  });

  describe("adapters", () => {
    test("given as loaded or as attached, shared or per head, the cache is the same", async () => {
      for (const selection of ["shared", "per-head"] as const) {
        const adapter = tinyAdapter(model(), { selection });
        const attached = await attachAdapter(model(), adapter);
        const first = await compress(model(), TEXT, { keep: 0.5, adapter });
        expect(await compress(model(), TEXT, { keep: 0.5, adapter: attached })).toEqual(first);
        // Attached by the caller, it is the caller's to release: a second use works.
        expect(await compress(model(), TEXT, { keep: 0.5, adapter: attached })).toEqual(first);
        expect(first.provenance.adapterHash).toMatch(/^[0-9a-f]{64}$/);
        attached.release();
      }
    });

    test("of another model are refused, and with methods that take none", async () => {
      const adapter = tinyAdapter(model());
      const foreign = { ...adapter, config: { ...adapter.config, baseModel: { name: "x", hash: "0".repeat(64) } } };
      await expect(compress(model(), TEXT, { keep: 0.5, adapter: foreign })).rejects.toThrow(code("model-mismatch"));
      await expect(compress(model(), TEXT, { keep: 0.5, adapter, method: "h2o" })).rejects.toThrow(
        code("bad-argument"),
      );
    });

    test("none for this model comes with the package: the error says what to do", async () => {
      await expect(compress(model(), TEXT, { keep: 0.5 })).rejects.toThrow(/--adapter.*--method/);
    });

    test("one that comes with a package is found by the model's hash", async () => {
      const folder = join(work(), "adapters");
      await mkdir(folder);
      await saveAdapter(join(folder, "b-tiny"), tinyAdapter(model()));
      await cp(fileURLToPath(new URL("../golden/adapter/llama", import.meta.url)), join(folder, "a-other"), {
        recursive: true,
      });
      await mkdir(join(folder, "c-empty"));
      expect(await findShippedAdapter(model().files.hash, {}, folder)).toBe(join(folder, "b-tiny"));
      expect(await findShippedAdapter("0".repeat(64), {}, folder)).toBeUndefined();
      expect(await findShippedAdapter("0".repeat(64), {}, join(folder, "nowhere"))).toBeUndefined();
    });
  });

  describe("a cache that other programs can hold", () => {
    const acrossHeads = (): Adapter => tinyAdapter(model(), { selection: "across-heads" });

    test("the adapter for it is found beside one whose heads share a budget", async () => {
      const folder = join(work(), "two-adapters");
      await mkdir(folder);
      await saveAdapter(join(folder, "a-across"), acrossHeads());
      await saveAdapter(join(folder, "b-per-head"), tinyAdapter(model()));
      const { hash } = model().files;
      expect(await findShippedAdapter(hash, {}, folder)).toBe(join(folder, "a-across"));
      expect(await findShippedAdapter(hash, { exportable: true }, folder)).toBe(join(folder, "b-per-head"));
    });

    test.each([
      ["kvzip", undefined, /kvzip-uniform/],
      ["kv-distill", acrossHeads, /trained per head/],
    ] as const)("%s, whose heads keep different numbers, is refused", async (method, adapter, hint) => {
      const options = { keep: 0.5, method, exportable: true, ...(adapter === undefined ? {} : { adapter: adapter() }) };
      await expect(compress(model(), TEXT, options)).rejects.toThrow(hint);
    });

    test("an adapter whose reading goes on at the number of kept rows is no adapter for it", async () => {
      const folder = join(work(), "reading");
      await mkdir(folder);
      const kept = tinyAdapter(model(), { readPositions: "kept" });
      await saveAdapter(join(folder, "a-kept"), kept);
      await saveAdapter(join(folder, "b-context"), tinyAdapter(model()));
      const { hash } = model().files;
      expect(await findShippedAdapter(hash, {}, folder)).toBe(join(folder, "a-kept"));
      expect(await findShippedAdapter(hash, { exportable: true }, folder)).toBe(join(folder, "b-context"));
      const made = compress(model(), TEXT, { keep: 0.5, exportable: true, adapter: kept });
      await expect(made).rejects.toThrow(/number of kept rows/);
    });

    test("without an adapter for it the error says what is missing", async () => {
      const made = compress(model(), TEXT, { keep: 0.5, exportable: true });
      await expect(made).rejects.toThrow(/heads keep equally many rows/);
    });
  });

  test.each(["", " \n\t"])("an empty text %j is refused", async (text) => {
    await expect(compress(model(), text, { keep: 0.5, method: "random" })).rejects.toThrow(code("bad-argument"));
  });
});
