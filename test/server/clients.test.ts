import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, streamText } from "ai";
import OpenAI from "openai";
import { describe, expect, test } from "vitest";
import { generate } from "../../src/generate/generate.ts";
import { useTinyModel } from "../compress/tiny.ts";
import { BASE, TEXT, type TinyServer, useTinyServers } from "./tiny-server.ts";

const { model } = useTinyModel("llama");
const server = useTinyServers(model);
const TOKEN = "a-token-of-some-length";
const messages = [{ role: "user" as const, content: "who sat?" }];

/** The server as a client's `fetch`. */
const fetchOf =
  ({ app }: TinyServer): typeof fetch =>
  (input, init) =>
    app.fetch(new Request(input, init));

async function wantedText(): Promise<string> {
  let text = "";
  for await (const piece of generate(model(), { prompt: "who sat?", maxTokens: 12 })) text += piece;
  return text;
}

describe("the openai client, unchanged", () => {
  const clientOf = (own: TinyServer, apiKey = TOKEN): OpenAI =>
    new OpenAI({ baseURL: `${BASE}/v1`, apiKey, fetch: fetchOf(own), maxRetries: 0 });
  const chat = { model: "llama", messages, max_completion_tokens: 12 };

  test("lists models, chats and completes, streaming and not", async () => {
    const client = clientOf(await server({ tokens: [TOKEN] }));
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(["llama"]);
    expect((await client.models.retrieve("llama")).object).toBe("model");

    const wanted = await wantedText();
    const whole = await client.chat.completions.create(chat);
    expect(whole.choices[0]?.message).toMatchObject({ role: "assistant", content: wanted });
    // An answer goes back into the chat as it is.
    const [choice] = whole.choices;
    if (choice === undefined) throw new Error("no choice");
    const more = [...messages, choice.message, { role: "user" as const, content: "where?" }];
    expect((await client.chat.completions.create({ ...chat, messages: more })).usage?.prompt_tokens).toBeGreaterThan(
      whole.usage?.prompt_tokens ?? Infinity,
    );

    const stream = client.chat.completions.stream({ ...chat, stream_options: { include_usage: true } });
    expect(await stream.finalContent()).toBe(wanted);
    expect(await stream.totalUsage()).toMatchObject({ total_tokens: whole.usage?.total_tokens });

    const text = await client.completions.create({ model: "llama", prompt: "the cat", max_tokens: 5 });
    let streamed = "";
    for await (const part of await client.completions.create({
      model: "llama",
      prompt: "the cat",
      max_tokens: 5,
      stream: true,
    })) {
      streamed += part.choices[0]?.text ?? "";
    }
    expect(streamed).toBe(text.choices[0]?.text);
  });

  test("asks a context through the extension", async () => {
    const own = await server();
    const context = await own.json("POST /v1/contexts", { text: TEXT, keep: { tokens: 12 }, method: "streaming" }, 201);
    const extended = { ...chat, context: context.id };
    const reply = await clientOf(own).chat.completions.create(extended);
    expect(reply.usage?.prompt_tokens_details?.cached_tokens).toBe(context.tokens);
  });

  test("knows the errors for what they are", async () => {
    const own = await server({ tokens: [TOKEN] });
    await expect(clientOf(own, "wrong-token-wrong-token").models.list()).rejects.toThrow(OpenAI.AuthenticationError);
    await expect(clientOf(own).chat.completions.create({ ...chat, n: 2 })).rejects.toMatchObject({
      status: 400,
      param: "n",
      type: "invalid_request_error",
    });
    await expect(clientOf(own).chat.completions.create({ ...chat, model: "other" })).rejects.toThrow(
      OpenAI.NotFoundError,
    );
    const busy = await server({ limits: { active: 1, waiting: 0 } });
    const job = await busy.service.jobs.begin("local", new AbortController().signal);
    await expect(clientOf(busy).chat.completions.create(chat)).rejects.toThrow(OpenAI.RateLimitError);
    job.end();
  });

  test("leaves a stream in the middle, and the place is free again", async () => {
    const own = await server();
    const stream = await clientOf(own).chat.completions.create({ ...chat, stream: true });
    for await (const part of stream) if (part.choices.length > 0) break;
    await expect.poll(() => own.service.jobs.queue.active).toBe(0);
  });
});

describe("the Vercel AI SDK's OpenAI-compatible provider, unchanged", () => {
  const providerOf = (own: TinyServer) =>
    createOpenAICompatible({
      name: "kv-distill",
      baseURL: `${BASE}/v1`,
      apiKey: TOKEN,
      fetch: fetchOf(own),
      includeUsage: true,
    });

  test("generates and streams text, with usage", async () => {
    const own = await server({ tokens: [TOKEN] });
    const wanted = await wantedText();
    const settings = { model: providerOf(own)("llama"), messages, maxOutputTokens: 12, temperature: 0, maxRetries: 0 };
    const whole = await generateText(settings);
    expect(whole.text).toBe(wanted);
    const stream = streamText(settings);
    let text = "";
    for await (const piece of stream.textStream) text += piece;
    expect(text).toBe(wanted);
    expect((await stream.usage).totalTokens).toBe(whole.usage.totalTokens);
    expect(await stream.finishReason).toBe(whole.finishReason);
  });

  test("asks a context through provider options", async () => {
    const own = await server();
    const context = await own.json("POST /v1/contexts", { text: TEXT, keep: { tokens: 12 }, method: "streaming" }, 201);
    const { usage } = await generateText({
      model: providerOf(own)("llama"),
      prompt: "who sat?",
      maxOutputTokens: 4,
      maxRetries: 0,
      providerOptions: { "kv-distill": { context: context.id } },
    });
    expect(usage.inputTokens).toBeGreaterThan(context.tokens);
    expect(usage.inputTokenDetails.cacheReadTokens).toBe(context.tokens);
  });

  test("text models too", async () => {
    const own = await server();
    const { text } = await generateText({
      model: providerOf(own).completionModel("llama"),
      prompt: "the cat",
      maxOutputTokens: 4,
      maxRetries: 0,
    });
    expect(text.length).toBeGreaterThan(0);
  });
});
