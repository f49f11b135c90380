import { describe, expect, test } from "vitest";
import { compressIds } from "../../src/compress/compress.ts";
import { methodNamed } from "../../src/compress/methods/index.ts";
import { answer, fullCache, generate, readingCache } from "../../src/generate/generate.ts";
import { chatPromptIds } from "../../src/models/chat-prompt.ts";
import { passagePromptOf } from "../../src/models/load-model.ts";
import { distance, logitsAfter, someIds, useTinyModel } from "../compress/tiny.ts";

const code = (name: string): Error => expect.objectContaining({ code: name }) as Error;
const { model } = useTinyModel("llama");
const context = someIds(40);
const question = someIds(6);

const cacheOf = (keep: number) =>
  compressIds(model(), context, { method: methodNamed("h2o", undefined), keep: { kind: "fraction", value: keep } });

/** Text and return value of a stream. */
async function drain<R>(pieces: AsyncGenerator<string, R>): Promise<{ text: string; finish: R }> {
  let text = "";
  let next = await pieces.next();
  for (; next.done !== true; next = await pieces.next()) {
    expect(next.value).not.toBe("");
    text += next.value;
  }
  return { text, finish: next.value };
}

test("pieces joined are the decoded tokens, as many as allowed", async () => {
  const ids: number[] = [];
  const options = { promptIds: question, maxTokens: 20, onToken: (id: number) => ids.push(id) };
  const { text, finish } = await drain(generate(model(), { cache: await cacheOf(0.5), ...options }));
  expect(text).toBe(model().files.tokenizer.decode(ids, { skipSpecial: true }));
  expect(finish).toBe(ids.length === 20 ? "length" : "stop");
});

test("a cache may be asked again and again, in any order, also where it lies", async () => {
  const cache = await cacheOf(0.5);
  const other = someIds(9);
  const ask = (promptIds: readonly number[]) => drain(generate(model(), { cache, promptIds, maxTokens: 10 }));
  const [first, second] = [await ask(question), await ask(other)];
  const rows = await readingCache(model(), cache);
  const askRows = (promptIds: readonly number[]) => drain(answer(model(), rows, promptIds, { maxTokens: 10 }));
  expect(await askRows(other)).toEqual(second);
  expect(await askRows(question)).toEqual(first);
  // Left in the middle, too.
  for await (const piece of answer(model(), rows, other, { maxTokens: 10 })) if (piece !== "") break;
  expect(rows.length).toBe(20);
  expect(rows.position).toBe(40);
  expect(await askRows(question)).toEqual(first);
  rows.release();
});

describe("questions in words", () => {
  test("are put as the prompt has them, in the style asked for", async () => {
    const cache = await cacheOf(0.5);
    for (const style of ["plain", "short-answer"] as const) {
      const promptIds = passagePromptOf(model().files, style).questionIds("who?");
      const wanted = await drain(generate(model(), { cache, promptIds, maxTokens: 8 }));
      expect(await drain(generate(model(), { cache, prompt: "who?", style, maxTokens: 8 }))).toEqual(wanted);
    }
  });

  test("without a cache are a chat's first message", async () => {
    const promptIds = chatPromptIds(model().files, "who?");
    const wanted = await drain(generate(model(), { promptIds, maxTokens: 8 }));
    expect(await drain(generate(model(), { prompt: "who?", maxTokens: 8 }))).toEqual(wanted);
  });
});

describe("the full cache of a compressed one", () => {
  test("is that of the text, read again", async () => {
    const rows = await fullCache(model(), await cacheOf(0.1));
    expect([rows.length, rows.position]).toEqual([40, 40]);
    const logitRows = Array.from(question.keys());
    const { data } = await model().forward({ ids: question, cache: rows, logitRows });
    rows.release();
    expect(distance(data, await logitsAfter(model(), context, question))).toBeLessThan(1e-5);
  });

  test("needs the text, and a model that reads all of it", async () => {
    const { tokenIds, ...without } = await cacheOf(0.1);
    expect(tokenIds).toHaveLength(40);
    await expect(fullCache(model(), without)).rejects.toThrow(code("unsupported"));
    const method = methodNamed("streaming", undefined);
    const folded = await compressIds(model(), someIds(150), { method, keep: { kind: "tokens", value: 9 }, fold: 50 });
    await expect(fullCache(model(), folded)).rejects.toThrow(code("context-too-long"));
  });
});

test("another model's cache is refused", async () => {
  const cache = await cacheOf(0.5);
  const foreign = { ...cache, provenance: { ...cache.provenance, modelHash: "0".repeat(64) } };
  await expect(generate(model(), { cache: foreign, promptIds: question }).next()).rejects.toThrow(
    code("model-mismatch"),
  );
});
