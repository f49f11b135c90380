import { describe, expect, test } from "vitest";
import type { MarkedContext } from "../../src/server/contexts/marked-context.ts";
import { useTinyModel } from "../compress/tiny.ts";
import { type Json, parseJson } from "./json.ts";
import { eventsOf, TEXT, type TinyServer, useTinyServers } from "./tiny-server.ts";

const { model } = useTinyModel("llama");
const server = useTinyServers(model);
const never = new AbortController().signal;

async function make(own: TinyServer, fields: object): Promise<Json> {
  return own.json("POST /v1/contexts", { text: TEXT, ...fields }, 201);
}

describe("a context's text", () => {
  test.each([
    ["streaming", "the same tokens everywhere"],
    ["knorm", "tokens of each head's own"],
  ])("%s: %s", async (method) => {
    const own = await server();
    const { id, rows, tokens } = await make(own, { keep: "50%", method });
    const response = await own.ask(`GET /v1/contexts/${id}/text`);
    expect(response.status).toBe(200);
    const { pieces, heads, levels, shares } = (await response.json()) as MarkedContext;
    const text = pieces.map((piece) => piece.text).join("");
    expect(text.endsWith(TEXT)).toBe(true);
    expect(pieces.every(({ level }) => level >= 0 && level <= levels)).toBe(true);
    const marked = pieces.filter(({ level }) => level > 0);
    expect(marked.length).toBeGreaterThan(0);
    if (heads === 1) expect(marked.length).toBeLessThanOrEqual(rows);
    else expect(marked.every(({ held_by: held = 0 }) => held >= 1 && held <= heads)).toBe(true);
    // Unkept neighbours are one piece.
    expect(pieces.some(({ level }, i) => level === 0 && pieces[i + 1]?.level === 0)).toBe(false);
    const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
    expect(mean).toBeCloseTo(rows / tokens, 1);
  });

  test("is told of contexts that are there alone", async () => {
    const own = await server();
    expect((await own.ask(`GET /v1/contexts/ctx_${"0".repeat(32)}/text`)).status).toBe(404);
  });
});

describe("a conversation about the whole of a context", () => {
  test("answers as the model does that has read everything, and tells how far it has read", async () => {
    const own = await server();
    const { id, tokens, rows } = await make(own, { keep: "30%", method: "streaming" });
    const response = await own.ask(
      "POST /v1/conversations",
      { context: id, full: true },
      { Accept: "text/event-stream" },
    );
    const events = await eventsOf(response);
    expect(events.slice(0, -1).every(({ event }) => event === "progress")).toBe(true);
    expect(parseJson(events.at(-2)?.data ?? "")).toMatchObject({ tokens, total: tokens });
    expect(events.at(-1)?.event).toBe("done");
    const full = parseJson(events.at(-1)?.data ?? "");
    expect(full).toMatchObject({ tokens, rows: tokens, compressed_tokens: 0, messages: [{ role: "context", tokens }] });

    const distilled = await own.json("POST /v1/conversations", { context: id }, 201);
    expect(distilled.rows).toBe(rows);
    const bytes = (json: Json): number => (json as unknown as { key_value_bytes: number }).key_value_bytes;
    expect(bytes(full) / bytes(distilled)).toBeCloseTo(tokens / rows, 9);

    // A context that keeps everything answers the same.
    const whole = await make(own, { keep: "100%", method: "full" });
    const other = await own.json("POST /v1/conversations", { context: whole.id }, 201);
    const answer = async (conversation: Json): Promise<string | undefined> => {
      const { choices } = await own.json(`POST /v1/conversations/${conversation.id}/messages`, {
        content: "who?",
        max_tokens: 8,
      });
      return choices[0]?.message.content;
    };
    expect(await answer(full)).toBe(await answer(other));
  });

  test("needs a context, and stops when nobody waits", async () => {
    const own = await server();
    const refused = await own.json("POST /v1/conversations", { full: true }, 400);
    expect(refused.error.param).toBe("full");
    const { id } = await make(own, { keep: "30%", method: "streaming" });
    const place = await Promise.all(
      Array.from({ length: own.service.limits.active }, () => own.service.jobs.begin("other", never)),
    );
    const controller = new AbortController();
    const waiting = own.app.fetch(
      new Request("http://localhost/v1/conversations", {
        method: "POST",
        body: JSON.stringify({ context: id, full: true }),
        headers: { "Content-Type": "application/json" },
        signal: controller.signal,
      }),
    );
    await expect.poll(() => own.service.jobs.queue.waiting).toBe(1);
    controller.abort();
    expect((await waiting).status).toBe(499);
    expect(own.service.conversations.count).toBe(0);
    for (const job of place) job.end();
  });
});
