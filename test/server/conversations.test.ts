import { describe, expect, test } from "vitest";
import { compressIds } from "../../src/compress/compress.ts";
import { methodNamed } from "../../src/compress/methods/index.ts";
import { headsOf } from "../../src/models/host-layer.ts";
import type { LanguageModel } from "../../src/models/language-model.ts";
import { LiveCache } from "../../src/server/conversations/live-cache.ts";
import { distance, logitsAfter, someIds, useTinyModel } from "../compress/tiny.ts";
import { type Json, parseJson } from "./json.ts";
import { eventsOf, TEXT, useTinyServers } from "./tiny-server.ts";

const code = (name: string): Error => expect.objectContaining({ code: name }) as Error;
const never = new AbortController().signal;
const { model } = useTinyModel("llama");
const server = useTinyServers(model);
const method = methodNamed("streaming", undefined);

/** Logits of `ids` on a live cache, which stays as it is. */
async function logitsOn({ model, rows }: LiveCache, ids: readonly number[]): Promise<Float32Array> {
  const { length, position } = rows;
  const { data } = await model.forward({ ids, cache: rows, logitRows: [...ids.keys()] });
  rows.truncate(length, position);
  return data;
}

const compress = (live: LiveCache, start: number, end: number, keep: number, own = method): Promise<number> =>
  live.compress({
    span: { start, end },
    keep: { kind: "fraction", value: keep },
    method: own,
    sinks: 4,
    seed: 0,
    signal: never,
  });

describe("a live cache", () => {
  const text = someIds(90);
  const next = someIds(7);

  async function reading(model: LanguageModel, ids: readonly number[]): Promise<LiveCache> {
    const live = await LiveCache.empty(model);
    for (let at = 0; at < ids.length; at += 25) await live.read(ids.slice(at, at + 25), never);
    return live;
  }

  test("with everything kept, compressing changes nothing, wherever and however often", async () => {
    const live = await reading(model(), text);
    const wanted = await logitsAfter(model(), text, next);
    expect(distance(await logitsOn(live, next), wanted)).toBeLessThan(1e-5);
    for (const [start, end] of [
      [30, 60],
      [0, 20],
      [60, 90],
      [20, 90],
    ] as const) {
      expect(await compress(live, start, end, 1, methodNamed("full", undefined))).toBe(end - start);
      expect(distance(await logitsOn(live, next), wanted)).toBeLessThan(1e-5);
      expect([live.tokens, live.rows.length, live.rows.position]).toEqual([90, 90, 90]);
    }
    live.release();
  });

  test("positions count tokens: what goes on at the number of kept rows is refused, and changes nothing", async () => {
    const live = await reading(model(), text);
    const refused = compress(live, 30, 60, 0.5, { ...method, readPositions: "kept" });
    await expect(refused).rejects.toThrow(code("unsupported"));
    expect([live.tokens, live.rows.length, live.compressedTokens]).toEqual([90, 90, 0]);
    live.release();
    const keep = { kind: "fraction", value: 0.5 } as const;
    const cache = await compressIds(model(), text, { method: { ...method, readPositions: "kept" }, keep });
    expect(cache.nextPosition).toBe(45);
    await expect(LiveCache.from(model(), cache)).rejects.toThrow(code("unsupported"));
  });

  test("takes out of the cache what the method does not keep, and nothing else", async () => {
    const live = await reading(model(), text);
    const whole = await live.rows.download();
    const rows = await compress(live, 30, 60, 0.4);
    expect(rows).toBe(12);
    expect([live.tokens, live.rows.length, live.rows.position]).toEqual([90, 72, 90]);
    expect([live.compressedTokens, live.keptTokens]).toEqual([30, 12]);
    // Sinks and recent: of a stretch in the middle its last rows, as they were read.
    const { headDim, numKvHeads } = model().config;
    const kept = [...Array.from({ length: 30 }, (_, i) => i), ...Array.from({ length: 42 }, (_, i) => 48 + i)];
    const now = await live.rows.download();
    for (const [i, layer] of now.entries()) {
      const wanted = Array.from({ length: numKvHeads }, (_, head) =>
        kept.map((row) => {
          const start = (head * 90 + row) * headDim;
          return [...(whole[i]?.keys.subarray(start, start + headDim) ?? [])];
        }),
      ).flat(2);
      expect(distance(layer.keys, Float32Array.from(wanted))).toBeLessThan(1e-5);
    }
    live.release();
  });

  test("of heads that keep different numbers of rows: each keeps its own, and all that is outside", async () => {
    const live = await reading(model(), text);
    const { config } = model();
    const whole = await live.rows.download();
    const wanted = await logitsAfter(model(), text, next);
    expect(await compress(live, 10, 40, 0.5, methodNamed("kvzip", undefined))).toBe(15);
    expect(live.rows.base).toBeDefined();
    expect([live.tokens, live.rows.heldRows, live.rows.position]).toEqual([90, 75, 90]);
    expect([live.compressedTokens, live.keptTokens]).toEqual([30, 15]);
    const mark = live.mark();
    await live.read(next, never);
    expect([live.tokens, live.rows.heldRows, live.rowsOf({ start: 40, end: 97 })]).toEqual([97, 82, 57]);
    live.rollBack(mark);
    const { headDim } = config;
    const expectOutside = async (compressed: number): Promise<void> => {
      for (const [i, layer] of (await live.rows.download()).entries()) {
        const full = whole[i] === undefined ? [] : headsOf(whole[i], config);
        for (const [head, { keys }] of headsOf(layer, config).entries()) {
          const before = full[head]?.keys.subarray(0, 10 * headDim) ?? new Float32Array();
          const after = full[head]?.keys.subarray(compressed * headDim) ?? new Float32Array();
          expect(keys.subarray(0, before.length)).toEqual(before);
          expect(keys.subarray(keys.length - after.length)).toEqual(after);
        }
      }
    };
    await expectOutside(40);
    // Another stretch behind it, with equally many in every head.
    expect(await compress(live, 50, 70, 0.5)).toBe(10);
    expect([live.rows.heldRows, live.keptTokens]).toEqual([65, 25]);
    await expectOutside(70);
    // Both compressed anew, from their tokens.
    expect(await compress(live, 0, 90, 1, methodNamed("full", undefined))).toBe(90);
    expect(live.rows.base).toBeUndefined();
    expect(distance(await logitsOn(live, next), wanted)).toBeLessThan(1e-5);
    live.release();
  });

  test("is read on after compressing, compressed again, at true positions", async () => {
    const live = await reading(model(), text);
    await compress(live, 10, 40, 0.5);
    await live.read(next, never);
    expect([live.tokens, live.rows.length, live.rows.position]).toEqual([97, 82, 97]);
    await compress(live, 50, 97, 0.2);
    expect(live.rows.length).toBe(10 + 15 + 10 + 9);
    // A stretch that holds compressed ones is compressed from its tokens.
    expect(await compress(live, 0, 60, 1, methodNamed("full", undefined)).catch((error: unknown) => error)).toEqual(
      code("bad-argument"),
    );
    expect(await compress(live, 0, 97, 0.5)).toBe(49);
    expect([live.rows.length, live.compressedTokens, live.keptTokens]).toEqual([49, 97, 49]);
    expect(live.rowsOf({ start: 0, end: 97 })).toBe(49);
    live.release();
  });

  test("goes past the model's limit of tokens as long as rows have room", async () => {
    const live = await reading(model(), someIds(100));
    await compress(live, 0, 50, 0.1);
    await live.read(someIds(60), never);
    expect(live.tokens).toBe(160);
    await compress(live, 100, 160, 0.1);
    await live.read(someIds(50), never);
    expect([live.tokens, live.rows.length, live.rows.position]).toEqual([210, 5 + 50 + 6 + 50, 210]);
    await expect(live.read(someIds(40), never)).rejects.toThrow(code("context-too-long"));
    expect(live.tokens).toBe(210);
    await expect(compress(live, 50, 210, 0.5)).rejects.toThrow(code("context-too-long"));
    live.release();
  });

  test("stays as it was when compressing fails", async () => {
    const live = await reading(model(), text);
    const before = await logitsOn(live, next);
    const gone = new AbortController();
    gone.abort();
    const request = { span: { start: 0, end: 50 }, method, sinks: 4, seed: 0 };
    await expect(
      live.compress({ ...request, keep: { kind: "fraction", value: 0.5 }, signal: gone.signal }),
    ).rejects.toThrow();
    await expect(live.compress({ ...request, keep: { kind: "tokens", value: 2 }, signal: never })).rejects.toThrow(
      code("bad-argument"),
    );
    await expect(compress(live, 50, 50, 0.5)).rejects.toThrow(code("bad-argument"));
    await expect(compress(live, 50, 91, 0.5)).rejects.toThrow(code("bad-argument"));
    expect(distance(await logitsOn(live, next), before)).toBeLessThan(1e-6);
    live.release();
  });
});

describe("a conversation", () => {
  const turn = { content: "who sat?", max_tokens: 8 };

  test("answers as a chat with all its messages does", async () => {
    const own = await server();
    const { id } = await own.json("POST /v1/conversations", {}, 201);
    const messages: object[] = [];
    for (const content of ["who sat?", "where?", "and then?"]) {
      messages.push({ role: "user", content });
      const reply = await own.json(`POST /v1/conversations/${id}/messages`, { content, max_tokens: 8 });
      const text = reply.choices[0]?.message.content ?? "";
      // What the model said may be written in other tokens than it was said in, so only the first answers must be equal.
      if (messages.length === 1) {
        const chat = await own.json("POST /v1/chat/completions", { model: "llama", messages, max_tokens: 8 });
        expect(text).toBe(chat.choices[0]?.message.content);
        expect(reply.usage.prompt_tokens).toBe(chat.usage.prompt_tokens);
      }
      messages.push({ role: "assistant", content: text });
      expect(reply.conversation.tokens).toBe(reply.usage.total_tokens);
      expect(reply.conversation.rows).toBe(reply.conversation.tokens);
    }
    const facts = await own.json(`GET /v1/conversations/${id}`);
    expect(facts.messages.map(({ role }) => role)).toEqual([
      "user",
      "assistant",
      "user",
      "assistant",
      "user",
      "assistant",
    ]);
    expect(facts.messages.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(facts.tokens);
  });

  test("has spans compressed in place, goes on, has others compressed; the tokens add up", async () => {
    const own = await server();
    const { id } = await own.json("POST /v1/conversations", { messages: [{ role: "system", content: TEXT }] }, 201);
    const say = (): Promise<Json> => own.json(`POST /v1/conversations/${id}/messages`, turn);
    const squeeze = (from: number, to: number, status = 200): Promise<Json> =>
      own.json(`POST /v1/conversations/${id}/compress`, { from, to, keep: "50%", method: "streaming" }, status);
    const first = await say();
    const done = await squeeze(0, 2);
    const { tokens } = done;
    expect(done.obtained.tokens).toBe(Math.round(tokens / 2));
    expect(done.rows_before - done.rows_after).toBe(tokens - done.obtained.tokens);
    expect(done.conversation).toMatchObject({
      tokens: first.conversation.tokens,
      compressed_tokens: tokens,
      kept_tokens: done.obtained.tokens,
    });
    const second = await say();
    expect(second.usage.prompt_tokens_details).toEqual({
      cached_tokens: first.conversation.tokens,
      compressed_tokens: tokens,
      kept_tokens: done.obtained.tokens,
    });
    expect(second.conversation.tokens).toBe(second.usage.total_tokens);
    await squeeze(1, 3, 400);
    const more = await squeeze(2, 5);
    expect(more.conversation.compressed_tokens).toBe(more.conversation.tokens);
    expect(more.conversation.rows).toBe(done.obtained.tokens + more.obtained.tokens);
    await say();
    for (const [from, to] of [
      [2, 2],
      [0, 99],
      [7, 8],
    ] as const)
      await squeeze(from, to, 400);
  });

  test("goes on from a stored context", async () => {
    const own = await server();
    const context = await own.json("POST /v1/contexts", { text: TEXT, keep: { tokens: 12 }, method: "streaming" }, 201);
    const { id } = await own.json("POST /v1/conversations", { context: context.id }, 201);
    const chat = {
      model: "llama",
      messages: [{ role: "user", content: "who sat?" }],
      context: context.id,
      max_tokens: 8,
    };
    const wanted = await own.json("POST /v1/chat/completions", chat);
    const reply = await own.json(`POST /v1/conversations/${id}/messages`, turn);
    expect(reply.choices[0]?.message.content).toBe(wanted.choices[0]?.message.content);
    expect(reply.usage).toEqual(wanted.usage);
    // Even smaller than it came: from the context's tokens.
    const body = { from: 0, to: 1, keep: { tokens: 6 }, method: "streaming" };
    expect((await own.json(`POST /v1/conversations/${id}/compress`, body)).rows_after).toBe(
      reply.conversation.rows - 6,
    );
    await own.json("POST /v1/conversations", { context: context.id, messages: chat.messages }, 400);
  });

  test("left in the middle of an answer is as it was", async () => {
    const own = await server();
    const { id } = await own.json("POST /v1/conversations", {}, 201);
    await own.json(`POST /v1/conversations/${id}/messages`, turn);
    const before = await own.json(`GET /v1/conversations/${id}`);
    const response = await own.ask(`POST /v1/conversations/${id}/messages`, { ...turn, max_tokens: 30, stream: true });
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    for (let i = 0; i < 3; i++) await reader.read();
    expect((await own.ask(`POST /v1/conversations/${id}/messages`, turn)).status).toBe(409);
    expect((await own.ask(`DELETE /v1/conversations/${id}`)).status).toBe(409);
    await reader.cancel();
    await expect.poll(() => own.service.jobs.queue.active).toBe(0);
    expect(await own.json(`GET /v1/conversations/${id}`)).toEqual(before);
    const streamed = await eventsOf(await own.ask(`POST /v1/conversations/${id}/messages`, { ...turn, stream: true }));
    expect(parseJson(streamed.at(-2)?.data ?? "").conversation.messages).toHaveLength(4);
  });

  test("limits: conversations of a client, memory of all; those not used for longest end", async () => {
    const own = await server({ limits: { conversations: 2 } });
    for (let i = 0; i < 2; i++) await own.json("POST /v1/conversations", {}, 201);
    expect((await own.json("POST /v1/conversations", {}, 429)).error.code).toBe("too-many");
    const [first] = (await own.json("GET /v1/conversations")).data;
    await own.json(`DELETE /v1/conversations/${first?.id ?? ""}`);
    await own.json(`GET /v1/conversations/${first?.id ?? ""}`, undefined, 404);

    // A cache of the tiny model reserves 128 rows: 2 · 2 layers · 2 heads · 4 · 4 bytes each.
    const tight = await server({ limits: { conversationBytes: 2 * 128 * 128 + 64 * 128 } });
    const ids: string[] = [];
    for (let i = 0; i < 3; i++) {
      ids.push((await tight.json("POST /v1/conversations", {}, 201)).id);
      if (i > 0) await tight.json(`POST /v1/conversations/${ids[i] ?? ""}/messages`, { content: "a", max_tokens: 2 });
    }
    expect((await tight.ask(`GET /v1/conversations/${ids[0] ?? ""}`)).status).toBe(404);
    expect((await tight.ask(`GET /v1/conversations/${ids[2] ?? ""}`)).status).toBe(200);
  });
});
