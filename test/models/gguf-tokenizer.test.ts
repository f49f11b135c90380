import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { generate } from "../../src/generate/generate.ts";
import { openGguf } from "../../src/formats/gguf/open.ts";
import { chatPromptIds } from "../../src/models/chat-prompt.ts";
import { loadModel } from "../../src/models/load-model.ts";
import { ggufTokenizer } from "../../src/models/gguf/tokenizer/tokenizer.ts";
import { createTokenizer, type Tokenizer } from "../../src/models/tokenizer.ts";
import { useTempHome } from "./temp-home.ts";
import { patchedFile } from "./tiny-models.ts";

const golden = join(import.meta.dirname, "../golden/gguf-tokenizers");
const { cases, ids, decoded } = JSON.parse(readFileSync(join(golden, "cases.json"), "utf8")) as {
  readonly cases: readonly string[];
  readonly ids: Readonly<Record<string, readonly (readonly number[])[]>>;
  readonly decoded: Readonly<Record<string, readonly string[]>>;
};
const { work } = useTempHome();

async function load(kind: string): Promise<Tokenizer> {
  const file = await openGguf(join(golden, `${kind}.gguf`));
  return createTokenizer({ ...ggufTokenizer(file), eosTokenIds: [], where: kind });
}

describe.each(Object.keys(ids))("SentencePiece out of a GGUF file: %s", (kind) => {
  test("ids and texts equal sentencepiece's", async () => {
    const tokenizer = await load(kind);
    for (const [i, text] of cases.entries()) {
      const own = tokenizer.encode(text, { special: "parse" });
      expect({ text, ids: own }).toEqual({ text, ids: ids[kind]?.[i] });
      expect(tokenizer.decode(own, { skipSpecial: false })).toBe(decoded[kind]?.[i]);
    }
  });

  test("control tokens are found in a text, bytes are not", async () => {
    const tokenizer = await load(kind);
    const plain = tokenizer.encode("a cat", { special: "parse" });
    expect(tokenizer.encode("<s>a cat</s>", { special: "parse" })).toEqual([1, ...plain, 2]);
    expect(tokenizer.encode("<0x41>", { special: "parse" }).length).toBeGreaterThan(1);
  });
});

test("a whole model with such a tokenizer is opened, and its answer is text", async () => {
  const model = await loadModel(join(golden, "llama2.gguf"), { threads: 1 });
  try {
    const { tokenizer, chatTemplate } = model.files;
    expect([tokenizer.bosId, tokenizer.eosIds]).toEqual([1, [2]]);
    expect(chatTemplate?.text).toContain("[INST]");
    const promptIds = chatPromptIds(model.files, "the ferry");
    expect(promptIds).toEqual(tokenizer.encode("<s>[INST] the ferry [/INST]", { special: "parse" }));
    let text = "";
    for await (const piece of generate(model, { promptIds, maxTokens: 12 })) text += piece;
    expect(text).not.toBe("");
  } finally {
    await model.close();
  }
});

test.each([
  ["scores", "tokenizer.ggml.scores", "tokenizer.ggml.xcores", "bad-file"],
  ["another kind of model", "\x05\0\0\0\0\0\0\0llama\x15", "\x05\0\0\0\0\0\0\0rwkv5\x15", "unsupported"],
])("refused without %s", async (_, from, to, code) => {
  const path = await patchedFile(join(golden, "llama2.gguf"), join(work(), "patched.gguf"), from, to);
  const file = await openGguf(path);
  expect(() => ggufTokenizer(file)).toThrow(expect.objectContaining({ code }));
});
