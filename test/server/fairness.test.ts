import { expect, test } from "vitest";
import { warmUp } from "../../src/server/warm-up.ts";
import { useTinyModel } from "../compress/tiny.ts";
import { TEXT, useTinyServers } from "./tiny-server.ts";

const { model } = useTinyModel("llama");
const server = useTinyServers(model);

test("a short answer does not wait for a long one, nor for a long text that is compressed", async () => {
  const own = await server();
  const order: string[] = [];
  const does = async (name: string, route: string, body: object): Promise<void> => {
    const response = await own.ask(route, body);
    expect(response.status).toBeLessThan(300);
    order.push(name);
  };
  const text = { model: "llama", prompt: "the cat", temperature: 2, seed: 5 };
  await Promise.all([
    does("long", "POST /v1/completions", { ...text, max_tokens: 100 }),
    does("context", "POST /v1/contexts", { text: TEXT.repeat(100), keep: { tokens: 50 }, fold: 60, method: "h2o" }),
    does("short", "POST /v1/completions", { ...text, max_tokens: 3 }),
  ]);
  expect(order[0]).toBe("short");
});

test("streams take turns: none is ahead of another by more than a few tokens", async () => {
  const own = await server();
  const seen: number[] = [];
  const read = async (stream: number): Promise<void> => {
    const body = { model: "llama", prompt: "the cat", max_tokens: 40, temperature: 2, seed: 9, stream: true };
    const response = await own.ask("POST /v1/completions", body);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    for (let next = await reader.read(); !next.done; next = await reader.read()) seen.push(stream);
  };
  await Promise.all([0, 1, 2].map(read));
  // Equal seeds, equal answers: the same number of events each.
  const counts = [0, 0, 0];
  for (const [i, stream] of seen.entries()) {
    counts[stream] = (counts[stream] ?? 0) + 1;
    if (i < seen.length - 6) expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(4);
  }
  expect(new Set(counts).size).toBe(1);
});

test("a slow reader holds nobody up, and its own place only until its time is up", async () => {
  const own = await server({ limits: { seconds: 1, active: 2 } });
  const body = { model: "llama", prompt: "the cat", max_tokens: 60, temperature: 2, seed: 3 };
  // Making graphs does not count: a busy machine takes a second for that alone.
  await warmUp(own.service);
  const stalled = await own.ask("POST /v1/completions", { ...body, stream: true });
  const reader = (stalled.body as ReadableStream<Uint8Array>).getReader();
  await reader.read();
  expect((await own.ask("POST /v1/completions", body)).status).toBe(200);
  expect(own.service.jobs.queue.active).toBe(1);
  await expect.poll(() => own.service.jobs.queue.active, { timeout: 5000 }).toBe(0);
  const { value } = await reader.read();
  expect(new TextDecoder().decode(value)).toContain('"code":"time-limit"');
  expect((await reader.read()).done).toBe(true);
});
