import { afterEach, describe, expect, test } from "vitest";
import { problemOf, problemResponse } from "../../src/server/http/problem.ts";
import { listen, type Listening } from "../../src/server/listen.ts";
import { KvDistillError } from "../../src/util/errors.ts";
import { useTinyModel } from "../compress/tiny.ts";
import { jsonOf } from "./json.ts";
import { type TinyServer, type TinyServerOptions, useTinyServers } from "./tiny-server.ts";

const { model } = useTinyModel("llama");
const tinyServer = useTinyServers(model);
const never = new AbortController().signal;

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** A server behind a socket. */
async function listening(options: TinyServerOptions = {}): Promise<TinyServer & { readonly url: string }> {
  const own = await tinyServer(options);
  const socket: Listening = await listen(own.app, { host: "127.0.0.1", port: 0 });
  ends.push(() => socket.close());
  return { ...own, url: socket.url };
}

const QUESTION = { model: "llama", messages: [{ role: "user", content: "who?" }], max_tokens: 90 };
const post = (url: string, body: object): Promise<Response> =>
  fetch(url, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });

describe("over HTTP a request that cannot be served now", () => {
  test("is told that its time is up: 503, and why", async () => {
    const { url, service } = await listening({ limits: { seconds: 0.001 } });
    const response = await post(`${url}/v1/chat/completions`, QUESTION);
    expect(response.status).toBe(503);
    expect((await jsonOf(response)).error).toEqual({
      message: "the request took longer than 0.001 s",
      type: "server_error",
      code: "time-limit",
      param: null,
    });
    expect(service.jobs.queue.active).toBe(0);
  });

  test("is told that the server shuts down, whether it waits or comes then: 503, why, and when to try again", async () => {
    const { url, service } = await listening({ limits: { active: 1 } });
    const job = await service.jobs.begin("somebody else", never);
    const waiting = post(`${url}/v1/chat/completions`, QUESTION);
    await expect.poll(() => service.jobs.queue.waiting).toBe(1);
    service.jobs.stop();
    for (const response of [
      await waiting,
      await post(`${url}/v1/contexts`, { text: "the cat sat", keep: "50%", method: "streaming" }),
    ]) {
      expect([response.status, response.headers.get("retry-after")]).toEqual([503, "5"]);
      expect((await jsonOf(response)).error).toMatchObject({
        type: "server_error",
        code: "shutting-down",
        message: "the server is shutting down",
      });
    }
    job.end();
    expect((await fetch(`${url}/health`)).status).toBe(200);
  });

  test("is told that too many wait: 429, why, and when to try again", async () => {
    const { url, service } = await listening({ limits: { active: 1, waiting: 0 } });
    const job = await service.jobs.begin("somebody else", never);
    const response = await post(`${url}/v1/chat/completions`, QUESTION);
    job.end();
    expect(response.status).toBe(429);
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    const { error } = await jsonOf(response);
    expect(error).toMatchObject({ type: "rate_limit_error", code: "queue-full" });
    expect(error.message).toContain("requests are waiting already");
  });

  test("a stream that has begun ends with the reason", async () => {
    const { url, service } = await listening();
    const response = await post(`${url}/v1/chat/completions`, { ...QUESTION, stream: true, temperature: 2, seed: 1 });
    expect(response.status).toBe(200);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    service.jobs.stop();
    let text = "";
    for (let next = await reader.read(); !next.done; next = await reader.read())
      text += new TextDecoder().decode(next.value);
    expect(text).toMatch(/"code":"shutting-down"[^\n]*\n\n$/);
  });
});

test("no memory, or work that was stopped, is 503 with a time to try again", async () => {
  for (const code of ["out-of-memory", "cancelled"] as const) {
    const response = problemResponse(problemOf(new KvDistillError(code, "the device has too little memory")));
    expect([response.status, response.headers.get("retry-after")]).toEqual([503, "10"]);
    expect((await jsonOf(response)).error).toMatchObject({ code, message: "the device has too little memory" });
  }
});
