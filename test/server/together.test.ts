import { expect, test, vi } from "vitest";
import { useTinyModel } from "../compress/tiny.ts";
import type { Json } from "./json.ts";
import { eventsOf, TEXT, type TinyServer, useTinyServers } from "./tiny-server.ts";

const { model } = useTinyModel("llama");
const server = useTinyServers(model);

interface Client {
  readonly path: string;
  readonly body: object;
}

const textOf = ({ delta, message, text }: Partial<Json["choices"][number]>): string =>
  delta?.content ?? message?.content ?? text ?? "";

/** Text and why it ended, as a client sees them. */
async function answerTo(own: TinyServer, { path, body }: Client): Promise<object> {
  if ("stream" in body) {
    const events = await eventsOf(await own.ask(path, body));
    expect(events.at(-1)?.data).toBe("[DONE]");
    const choices = events.slice(0, -1).flatMap(({ data }) => (JSON.parse(data) as Json).choices);
    return {
      text: choices.map(textOf).join(""),
      finish: choices.at(-1)?.finish_reason,
    };
  }
  const { choices, usage } = await own.json(path, body);
  const [choice] = choices;
  return {
    text: choice === undefined ? "" : textOf(choice),
    finish: choice?.finish_reason,
    tokens: usage.completion_tokens,
  };
}

test("every client gets what it would get alone: contexts, lengths, sampling, stops, conversations, comers and goers", async () => {
  const own = await server({ adapter: true });
  const contexts: string[] = [];
  for (const made of [
    { text: TEXT, keep: { tokens: 12 }, method: "streaming" },
    { text: TEXT.repeat(3), keep: "50%", method: "h2o" },
    { text: TEXT, keep: "25%" },
    // Heads hold different numbers of rows.
    { text: TEXT, keep: "50%", method: "kvzip" },
  ]) {
    contexts.push((await own.json("POST /v1/contexts", made, 201)).id);
  }
  const conversation = async (): Promise<string> =>
    (await own.json("POST /v1/conversations", { context: contexts[1] }, 201)).id;
  const messages = [{ role: "user", content: "who sat?" }];
  const base = { model: "llama", seed: 4 };
  const chat = "POST /v1/chat/completions";
  const text = "POST /v1/completions";
  const clients: readonly Client[] = [
    { path: chat, body: { ...base, messages, max_tokens: 25, stream: true } },
    { path: chat, body: { ...base, messages, context: contexts[0], max_tokens: 40, temperature: 1.5, stream: true } },
    { path: chat, body: { ...base, messages, context: contexts[1], max_tokens: 9, temperature: 1, top_p: 0.8 } },
    { path: chat, body: { ...base, messages, context: contexts[2], max_tokens: 30, seed: 77, temperature: 2 } },
    { path: text, body: { ...base, prompt: TEXT.repeat(2), max_tokens: 20, temperature: 2, stream: true } },
    { path: text, body: { ...base, prompt: "the cat", max_tokens: 60, temperature: 2, seed: 9 } },
    { path: text, body: { ...base, prompt: "the cat", max_tokens: 1 } },
    { path: chat, body: { ...base, messages, context: contexts[3], max_tokens: 20, temperature: 1.5, stream: true } },
  ];
  const clientAt = (index: number): Client => {
    const client = clients[index];
    if (client === undefined) throw new RangeError("no such client");
    return client;
  };
  const turn = { content: "and then?", max_tokens: 15, temperature: 1.5, seed: 3 };
  const talk = async (): Promise<object[]> => {
    const path = `POST /v1/conversations/${await conversation()}/messages`;
    return [await answerTo(own, { path, body: turn }), await answerTo(own, { path, body: { ...turn, stream: true } })];
  };

  const alone: object[] = [];
  for (const client of clients) alone.push(await answerTo(own, client));
  const { text: whole = "" } = alone[5] as { text?: string };
  expect(whole.length).toBeGreaterThan(12);
  const stopping = { path: text, body: { ...clients[5]?.body, stop: whole.slice(8, 11) } };
  const stopped = await answerTo(own, stopping);
  const talked = await talk();

  const program = vi.spyOn(own.service.model, "readingProgram");
  const steps = (): number => program.mock.calls.filter(([, tokens]) => tokens === 1).length;
  const leave = async (): Promise<void> => {
    const response = await own.ask(text, { ...base, prompt: "the dog", max_tokens: 500, temperature: 2, stream: true });
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    for (let i = 0; i < 5; i++) await reader.read();
    await reader.cancel();
  };
  const late = async (): Promise<object> => {
    await expect.poll(steps).toBeGreaterThan(5);
    return answerTo(own, clientAt(3));
  };
  const [latecomer, stoppedToo, talkedToo, , ...together] = await Promise.all([
    late(),
    answerTo(own, stopping),
    talk(),
    leave(),
    ...clients.map((client) => answerTo(own, client)),
  ]);
  expect(together).toEqual(alone);
  expect(latecomer).toEqual(alone[3]);
  expect(stoppedToo).toEqual(stopped);
  expect(talkedToo).toEqual(talked);
  // The longest answer has 60 tokens, all together have 250.
  expect(steps()).toBeLessThan(150);
  expect(own.service.jobs.queue.active).toBe(0);
});
