import { describe, expect, test } from "vitest";
import type { Limits } from "../../src/server/limits.ts";
import { useTinyModel } from "../compress/tiny.ts";
import { jsonOf } from "./json.ts";
import { BASE, requestOf, TEXT, type TinyServer, useTinyServers } from "./tiny-server.ts";

const { model } = useTinyModel("llama");
const server = useTinyServers(model);
const never = new AbortController().signal;

const CONTEXT = { text: TEXT, keep: "50%", method: "streaming" };
const QUESTION = { model: "llama", messages: [{ role: "user", content: "who?" }], max_tokens: 2 };
const ask = (body: object): Request => requestOf("POST /v1/chat/completions", body);
const context = (body: object = CONTEXT): Request => requestOf("POST /v1/contexts", body);
const upload = (bytes: number): Request =>
  new Request(`${BASE}/v1/contexts/upload`, {
    method: "POST",
    body: new Uint8Array(bytes),
    headers: { "Content-Length": String(bytes) },
  });

interface Probe {
  /** Under which the request is refused; under the default it is not, for that reason. */
  readonly limits: Partial<Limits>;
  readonly request: Request;
  readonly status: number;
  readonly code: string;
  /** Brings the server to where the limit is reached; the end is called after the answer. */
  readonly before?: (own: TinyServer) => Promise<() => void>;
}

/** Requests that hold all places at the model. */
const held =
  (places: number) =>
  async ({ service: { jobs } }: TinyServer): Promise<() => void> => {
    const own = await Promise.all(Array.from({ length: places }, () => jobs.begin("somebody else", never)));
    return () => {
      for (const job of own) job.end();
    };
  };
const asked =
  (route: string, body: object) =>
  async (own: TinyServer): Promise<() => void> => {
    await own.json(route, body, 201);
    return () => undefined;
  };

/** One for each limit: a limit without one does not compile. */
const PROBES: Readonly<Record<keyof Limits, Probe>> = {
  bodyBytes: {
    limits: { bodyBytes: 2000 },
    request: context({ ...CONTEXT, text: TEXT.repeat(30), fold: true }),
    status: 413,
    code: "too-large",
  },
  uploadBytes: { limits: { uploadBytes: 1000 }, request: upload(1001), status: 413, code: "too-large" },
  messages: {
    limits: { messages: 2 },
    request: ask({ ...QUESTION, messages: Array.from({ length: 3 }, () => ({ role: "user", content: "a" })) }),
    status: 413,
    code: "too-large",
  },
  answerTokens: {
    limits: { answerTokens: 4 },
    request: ask({ ...QUESTION, max_tokens: 5 }),
    status: 400,
    code: "bad-argument",
  },
  contextTokens: { limits: { contextTokens: 20 }, request: context(), status: 413, code: "too-large" },
  contexts: {
    limits: { contexts: 1 },
    request: context(),
    status: 429,
    code: "too-many",
    before: asked("POST /v1/contexts", CONTEXT),
  },
  quotaBytes: { limits: { quotaBytes: 1000 }, request: context(), status: 413, code: "too-large" },
  seconds: {
    limits: { seconds: 0.001 },
    request: ask({ ...QUESTION, max_tokens: 90 }),
    status: 503,
    code: "time-limit",
  },
  active: {
    limits: { active: 1, waiting: 0 },
    request: ask(QUESTION),
    status: 429,
    code: "queue-full",
    before: held(1),
  },
  waiting: {
    limits: { active: 2, waiting: 0 },
    request: ask(QUESTION),
    status: 429,
    code: "queue-full",
    before: held(2),
  },
  waitingSeconds: {
    limits: { active: 1, waitingSeconds: 1 },
    request: ask(QUESTION),
    status: 429,
    code: "queue-timeout",
    before: held(1),
  },
  conversations: {
    limits: { conversations: 1 },
    request: requestOf("POST /v1/conversations", { messages: QUESTION.messages }),
    status: 429,
    code: "too-many",
    before: asked("POST /v1/conversations", { messages: QUESTION.messages }),
  },
  conversationBytes: {
    limits: { conversationBytes: 1000 },
    request: requestOf("POST /v1/conversations", { messages: QUESTION.messages }),
    status: 429,
    code: "too-many",
  },
};

describe("S16: every limit refuses what is over it, and nothing else does", () => {
  test.each(Object.entries(PROBES))("%s", async (_, { limits, request, status, code, before }) => {
    const free = await server();
    const taken = await free.app.fetch(request.clone());
    const { error } = await jsonOf(taken);
    // The upload is no cache and is refused for that.
    if (taken.status >= 300) expect([status, code]).not.toEqual([taken.status, error.code]);

    const own = await server({ limits });
    const end = await before?.(own);
    const response = await own.app.fetch(request);
    end?.();
    const refused = (await jsonOf(response)).error;
    expect([response.status, refused.code]).toEqual([status, code]);
    expect(refused.message.length).toBeGreaterThan(10);
    // Nothing is left at the model, and the next request finds the server as it was.
    expect(own.service.jobs.queue).toMatchObject({ active: 0, waiting: 0 });
    expect((await own.ask("GET /health")).status).toBe(200);
  });

  const keys = (count: number): string =>
    JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, i) => [i, 0])));
  const nested = (depth: number): string => '{"text":'.concat("[".repeat(depth - 1), "]".repeat(depth - 1), "}");
  test.each([
    ["nesting of 13", nested(13), 413],
    ["nesting of 12, which is no text", nested(12), 400],
    ["50,001 keys", keys(50_001), 413],
    ["50,000 keys, none of which is known", keys(50_000), 400],
    ["a key of two million characters", JSON.stringify({ ["k".repeat(2_000_000)]: 0 }), 400],
  ])("%s, and what is told of it is short", async (_, body, status) => {
    const own = await server();
    const headers = { "Content-Type": "application/json" };
    const response = await own.app.fetch(new Request(`${BASE}/v1/contexts`, { method: "POST", body, headers }));
    expect(response.status).toBe(status);
    expect((await response.text()).length).toBeLessThan(4000);
  });

  test.each(["model", "context", "method", "keep", "stop"])(
    "a %s of two million characters, and what is told of it is short",
    async (field) => {
      const own = await server();
      const response = await own.ask("POST /v1/chat/completions", { ...QUESTION, [field]: "x".repeat(2_000_000) });
      if (field === "stop") expect(response.status).toBe(200);
      else expect(response.status).toBeGreaterThanOrEqual(400);
      expect((await response.text()).length).toBeLessThan(4000);
    },
  );
});
