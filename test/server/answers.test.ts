import { describe, expect, test } from "vitest";
import { loadKvd } from "../../src/cache/load-kvd.ts";
import { compressIds } from "../../src/compress/compress.ts";
import { methodNamed } from "../../src/compress/methods/index.ts";
import { generate, type GenerateOptions } from "../../src/generate/generate.ts";
import { chatPromptIds } from "../../src/models/chat-prompt.ts";
import { passagePromptOf } from "../../src/models/load-model.ts";
import { useTinyModel } from "../compress/tiny.ts";
import { type Json, parseJson } from "./json.ts";
import { eventsOf, TEXT, type TinyServer, useTinyServers } from "./tiny-server.ts";

const { model } = useTinyModel("llama");
const server = useTinyServers(model);
const user = (content: string): object[] => [{ role: "user", content }];
const base = { model: "llama", max_tokens: 12 };

async function answerOf(options: GenerateOptions): Promise<{ text: string; tokens: number }> {
  let [text, tokens] = ["", 0];
  for await (const piece of generate(model(), { maxTokens: 12, ...options, onToken: () => tokens++ })) text += piece;
  return { text, tokens };
}

const contextOf = (own: TinyServer): Promise<Json> =>
  own.json("POST /v1/contexts", { text: TEXT, keep: { tokens: 12 }, method: "streaming" }, 201);

/** Text, finish and usage of a streamed answer, as a client puts it together. */
async function streamed(own: TinyServer, path: string, body: object): Promise<{ text: string; last: Json[] }> {
  const events = await eventsOf(await own.ask(`POST ${path}`, { ...body, stream: true }));
  expect(events.at(-1)?.data).toBe("[DONE]");
  const chunks = events.slice(0, -1).map(({ data }) => parseJson(data));
  const text = chunks.map(({ choices: [choice] }) => choice?.delta?.content ?? choice?.text ?? "").join("");
  return { text, last: chunks.slice(-2) };
}

describe("chat", () => {
  test("answers as the library does, streamed or not", async () => {
    const own = await server();
    const wanted = await answerOf({ prompt: "who sat?" });
    const reply = await own.json("POST /v1/chat/completions", { ...base, messages: user("who sat?") });
    expect(reply.choices[0]?.message.content).toBe(wanted.text);
    const { text, last } = await streamed(own, "/v1/chat/completions", { ...base, messages: user("who sat?") });
    expect(text).toBe(wanted.text);
    expect(last.at(-1)?.choices[0]?.finish_reason).toBe(reply.choices[0]?.finish_reason);
    const prompt = chatPromptIds(model().files, "who sat?").length;
    expect(reply.usage).toEqual({
      prompt_tokens: prompt,
      completion_tokens: wanted.tokens,
      total_tokens: prompt + wanted.tokens,
      prompt_tokens_details: { cached_tokens: 0, compressed_tokens: 0, kept_tokens: 0 },
    });
  });

  test("from a context answers as ask does, and counts what is compressed", async () => {
    const own = await server();
    const context = await contextOf(own);
    const cache = await loadKvd(own.service.store.get("local", context.id).path);
    const wanted = await answerOf({ cache, prompt: "who sat?" });
    const body = { ...base, messages: user("who sat?"), context: context.id };
    const reply = await own.json("POST /v1/chat/completions", body);
    expect(reply.choices[0]?.message.content).toBe(wanted.text);
    const question = passagePromptOf(model().files, "plain").questionIds("who sat?").length;
    expect(reply.usage).toMatchObject({
      prompt_tokens: context.tokens + question,
      prompt_tokens_details: { cached_tokens: context.tokens, compressed_tokens: context.tokens, kept_tokens: 12 },
    });
    const { text, last } = await streamed(own, "/v1/chat/completions", {
      ...body,
      stream_options: { include_usage: true },
    });
    expect(text).toBe(wanted.text);
    expect(last[1]?.choices).toEqual([]);
    expect(last[1]?.usage).toEqual(reply.usage);

    // A chat about the context goes on.
    const more = [...user("who sat?"), { role: "assistant", content: "the cat" }, ...user("where?")];
    const longer = await own.json("POST /v1/chat/completions", { ...body, messages: more });
    expect(longer.usage.prompt_tokens).toBeGreaterThan(reply.usage.prompt_tokens);
    const system = [{ role: "system", content: "be brief" }, ...user("who?")];
    expect((await own.json("POST /v1/chat/completions", { ...body, messages: system }, 400)).error.message).toContain(
      "context",
    );
  });

  test("keep compresses what is in front of the last message, or the marked part", async () => {
    const own = await server();
    const messages = [...user(TEXT), { role: "assistant", content: "yes" }, ...user("who sat?")];
    const compressed = { ...base, messages, keep: { tokens: 9 }, method: "streaming" };
    const reply = await own.json("POST /v1/chat/completions", compressed);
    expect(reply.usage.prompt_tokens_details.kept_tokens).toBe(9);
    expect(reply.usage.prompt_tokens_details.cached_tokens).toBe(0);
    const plain = await own.json("POST /v1/chat/completions", { ...base, messages });
    expect(plain.usage.prompt_tokens).toBe(reply.usage.prompt_tokens);
    const all = await own.json("POST /v1/chat/completions", { ...compressed, keep: "100%" });
    expect(all.choices[0]?.message.content).toBe(plain.choices[0]?.message.content);

    const marked = user(`read <|kv-distill|>${TEXT}<|/kv-distill|> who sat?`);
    const part = await own.json("POST /v1/chat/completions", { ...compressed, messages: marked });
    const span = part.usage.prompt_tokens_details.compressed_tokens;
    expect(span).toBeLessThan(part.usage.prompt_tokens - 5);
    expect(part.usage.prompt_tokens_details.kept_tokens).toBe(9);
    await own.json("POST /v1/chat/completions", { ...compressed, messages: user("who?") }, 400);
  });

  test("a drawn answer is the seed's", async () => {
    const own = await server();
    const drawn = { ...base, messages: user("who?"), temperature: 1.5, top_p: 0.9, seed: 7 };
    const wanted = await answerOf({ prompt: "who?", sampling: { temperature: 1.5, topP: 0.9 }, seed: 7 });
    const text = async (body: object): Promise<string | undefined> =>
      (await own.json("POST /v1/chat/completions", body)).choices[0]?.message.content;
    expect(await text(drawn)).toBe(wanted.text);
    expect(await text({ ...drawn, seed: 8 })).not.toBe(wanted.text);
  });

  test("ends before a stop string, by length at the limit, and where the model has no more room", async () => {
    const own = await server();
    const { text } = await answerOf({ prompt: "who sat?" });
    const stop = text.slice(4, 7);
    const ask = async (more: object): Promise<Json["choices"][number] | undefined> =>
      (await own.json("POST /v1/chat/completions", { ...base, messages: user("who sat?"), ...more })).choices[0];
    const stopped = await ask({ stop: ["never said", stop] });
    expect([stopped?.message.content, stopped?.finish_reason]).toEqual([text.slice(0, text.indexOf(stop)), "stop"]);
    expect((await streamed(own, "/v1/chat/completions", { ...base, messages: user("who sat?"), stop })).text).toBe(
      text.slice(0, text.indexOf(stop)),
    );
    expect((await ask({ max_tokens: undefined, max_completion_tokens: 3 }))?.finish_reason).toBe("length");
    const long = { ...base, messages: user(TEXT.repeat(2)), max_tokens: 1000 };
    const full = await own.json("POST /v1/chat/completions", long);
    // The last token of an answer is not read.
    expect(full.usage.total_tokens).toBeLessThanOrEqual(129);
    const tooLong = await own.json("POST /v1/chat/completions", { ...long, messages: user(TEXT.repeat(4)) }, 400);
    expect(tooLong.error).toMatchObject({ code: "context-too-long", type: "invalid_request_error" });
  });

  test("special tokens that a person writes are letters", async () => {
    const own = await server();
    const plain = await own.json("POST /v1/chat/completions", { ...base, messages: user("a b") });
    const sly = await own.json("POST /v1/chat/completions", { ...base, messages: user("a<|end|>b") });
    expect(sly.usage.prompt_tokens).toBeGreaterThan(plain.usage.prompt_tokens + 3);
  });

  test("what is not handled is refused by name; what asks for nothing is allowed", async () => {
    const own = await server();
    const ask = (more: object): Promise<Response> =>
      own.ask("POST /v1/chat/completions", { ...base, messages: user("who?"), ...more });
    for (const [field, value] of [
      ["n", 2],
      ["tools", [{ type: "function", function: { name: "f" } }]],
      ["logprobs", true],
      ["response_format", { type: "json_object" }],
      ["logit_bias", { "5": 1 }],
      ["frequency_penalty", 0.5],
      ["temperture", 1],
      ["top_p", 0],
      ["stop", [""]],
      ["context", "../../etc/passwd"],
      ["keep", "nothing"],
      ["method", "snapkv-question"],
    ] as const) {
      const response = await ask({ [field]: value });
      expect(response.status).toBe(400);
      expect(parseJson(await response.text()).error.param.split(".")[0]).toBe(field);
    }
    const neutral = {
      n: 1,
      tools: [],
      logprobs: false,
      response_format: { type: "text" },
      user: "me",
      presence_penalty: 0,
    };
    expect((await ask(neutral)).status).toBe(200);
    expect((await ask({ model: "gpt-4" })).status).toBe(404);
    expect((await ask({ max_tokens: 5000 })).status).toBe(400);
    expect((await ask({ max_tokens: 5, max_completion_tokens: 6 })).status).toBe(400);
    const parts = [
      {
        role: "user",
        content: [
          { type: "text", text: "who" },
          { type: "text", text: "?" },
        ],
      },
    ];
    expect((await ask({ messages: parts })).status).toBe(200);
    expect((await ask({ messages: [{ role: "user", content: [{ type: "image_url", image_url: {} }] }] })).status).toBe(
      400,
    );
    expect((await ask({ messages: [] })).status).toBe(400);
  });
});

describe("text completions", () => {
  test("go on from text or ids, alone or after a context", async () => {
    const own = await server();
    const promptIds = model().files.tokenizer.encode("the cat", { special: "parse" });
    const wanted = await answerOf({ promptIds });
    for (const prompt of ["the cat", ["the cat"], promptIds, [promptIds]]) {
      const reply = await own.json("POST /v1/completions", { ...base, prompt });
      expect(reply.object).toBe("text_completion");
      expect(reply.choices[0]?.text).toBe(wanted.text);
      expect(reply.usage.prompt_tokens).toBe(promptIds.length);
    }
    expect((await streamed(own, "/v1/completions", { ...base, prompt: "the cat" })).text).toBe(wanted.text);
    const context = await contextOf(own);
    const cache = await loadKvd(own.service.store.get("local", context.id).path);
    const after = await own.json("POST /v1/completions", { ...base, prompt: "the cat", context: context.id });
    expect(after.choices[0]?.text).toBe((await answerOf({ cache, promptIds })).text);
    expect(after.usage.prompt_tokens).toBe(context.tokens + promptIds.length);
  });

  test("keep compresses the marked part", async () => {
    const own = await server();
    const { tokenizer } = model().files;
    const [head, tail] = [
      tokenizer.encodeParts([{ text: TEXT, special: "plain" }]),
      [...tokenizer.encodeParts([{ text: " then", special: "plain" }])],
    ];
    const cache = await compressIds(model(), head, {
      method: methodNamed("h2o", undefined),
      keep: { kind: "tokens", value: 8 },
    });
    const prompt = `<|kv-distill|>${TEXT}<|/kv-distill|> then`;
    const reply = await own.json("POST /v1/completions", { ...base, prompt, keep: { tokens: 8 }, method: "h2o" });
    expect(reply.choices[0]?.text).toBe((await answerOf({ cache, promptIds: tail })).text);
    await own.json("POST /v1/completions", { ...base, prompt: TEXT, keep: "50%", method: "h2o" }, 400);
  });

  test("refused: nothing to go on from, several texts, ids that are none", async () => {
    const own = await server();
    for (const prompt of ["", [], ["a", "b"], [5000], [-1], 5]) {
      await own.json("POST /v1/completions", { ...base, prompt }, 400);
    }
  });
});

test("a context of another model is not answered from", async () => {
  const own = await server();
  const context = await contextOf(own);
  const stored = own.service.store.get("local", context.id);
  Object.assign(stored.description.provenance, { modelHash: "0".repeat(64) });
  const body = { ...base, messages: user("who?"), context: context.id };
  expect((await own.json("POST /v1/chat/completions", body, 400)).error.param).toBe("context");
});

test("S15: a context that is damaged on the disk is the server's fault and says nothing of paths", async () => {
  const own = await server();
  const context = await contextOf(own);
  const { path } = own.service.store.get("local", context.id);
  const { readFile, writeFile } = await import("node:fs/promises");
  const bytes = await readFile(path);
  bytes[bytes.length - 9] = (bytes[bytes.length - 9] ?? 0) ^ 1;
  await writeFile(path, bytes);
  const body = { ...base, messages: user("who?"), context: context.id };
  const { error } = await own.json("POST /v1/chat/completions", body, 500);
  expect(error.code).toBe("damaged");
  expect(error.message).not.toContain(own.folder);
  const events = await eventsOf(await own.ask("POST /v1/chat/completions", { ...body, stream: true }));
  expect(parseJson(events.at(-1)?.data ?? "").error.code).toBe("damaged");
  expect(own.service.jobs.queue.active).toBe(0);
});
