import { keyValueBytes } from "../../cache/kv-cache.ts";
import { loadKvd } from "../../cache/load-kvd.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import type { Tenant } from "../access/tokens.ts";
import { chatReply, usageOf } from "../answers/reply.ts";
import { respond } from "../answers/respond.ts";
import { answerSettings } from "../answers/settings.ts";
import { askedFacts } from "../contexts/context-facts.ts";
import { readJson } from "../http/body.ts";
import { progressStream, wantsEvents } from "../http/event-stream.ts";
import { checkContextTokens, checkMessages } from "../check-limits.ts";
import { Refusal } from "../http/refusal.ts";
import type { Router } from "../http/router.ts";
import { chosenMethod, type Service } from "../service.ts";
import { Conversation } from "./conversation.ts";
import type { HeldConversation } from "./conversations.ts";
import { LiveCache } from "./live-cache.ts";
import { type ConversationRequest, conversationRequest, spanRequest, turnRequest } from "./requests.ts";

const DEFAULT_SINKS = 4;

/** Live conversations: begun, gone on with, parts of them compressed in place, ended. */
export function addConversationRoutes(router: Router, service: Service): void {
  const { conversations, model, reader, encoder, store, jobs, limits } = service;

  async function start(
    tenant: Tenant,
    { context, full }: ConversationRequest,
    signal: AbortSignal,
    tell: (progress: object) => void,
  ): Promise<LiveCache> {
    if (context === undefined) return LiveCache.empty(model);
    const { name, hash, tokenizerHash } = model.files;
    return store.use(tenant, context, async ({ path, description }) => {
      conversations.makeRoom(full ? description.contextLength : description.slots);
      const cache = await loadKvd(path, { expectModel: { name, hash, tokenizerHash } });
      if (!full) return LiveCache.from(model, cache);
      const total = cache.contextLength;
      tell({ tokens: 0, total });
      return LiveCache.whole(model, cache, signal, (tokens) => {
        tell({ tokens, total });
      });
    });
  }

  async function begin(
    tenant: Tenant,
    request: ConversationRequest,
    signal: AbortSignal,
    tell: (progress: object) => void,
  ): Promise<object> {
    const conversation = new Conversation(await start(tenant, request, signal, tell), encoder, reader);
    try {
      await conversation.begin(request.messages, signal);
      conversations.checkCount(tenant);
      conversations.makeRoom(conversation.live.rows.reservedRows);
      return conversationFacts(conversations.add(tenant, conversation), model);
    } catch (error) {
      conversation.release();
      throw error;
    }
  }

  router.post("/v1/conversations", async (c) => {
    const { tenant } = c.env;
    const request = await readJson(c.req.raw, conversationRequest, limits.bodyBytes);
    checkMessages(limits, request.messages);
    conversations.checkCount(tenant);
    if (wantsEvents(c.req.raw)) {
      const job = await jobs.begin(tenant, c.req.raw.signal);
      return progressStream(job, service.report, (tell) => begin(tenant, request, job.signal, tell));
    }
    const begun = await jobs.run(tenant, c.req.raw.signal, ({ signal }) =>
      begin(tenant, request, signal, () => undefined),
    );
    return c.json(begun, 201);
  });

  router.get("/v1/conversations", (c) =>
    c.json({ object: "list", data: conversations.list(c.env.tenant).map((held) => conversationFacts(held, model)) }),
  );

  router.get("/v1/conversations/:id", (c) =>
    c.json(conversationFacts(conversations.get(c.env.tenant, c.req.param("id")), model)),
  );

  router.delete("/v1/conversations/:id", (c) => {
    const id = c.req.param("id");
    conversations.remove(c.env.tenant, id);
    return c.json({ id, object: "conversation", deleted: true });
  });

  router.post("/v1/conversations/:id/messages", async (c) => {
    const { tenant } = c.env;
    const request = await readJson(c.req.raw, turnRequest, limits.bodyBytes);
    jobs.queue.check(tenant);
    const { held, giveBack } = conversations.take(tenant, c.req.param("id"));
    const { conversation } = held;
    try {
      if (conversation.messages.length + 2 > limits.messages) {
        throw new Refusal("too-large", `a conversation may have ${limits.messages} messages`);
      }
      const turn = await conversation.plan(request.content);
      const settings = answerSettings(request, limits.answerTokens, turn.room);
      conversations.makeRoom(turn.ids.length + settings.maxTokens, conversation);
      const before = {
        tokens: conversation.live.tokens + turn.ids.length,
        cached: conversation.live.tokens,
        compressed: conversation.live.compressedTokens,
        kept: conversation.live.keptTokens,
      };
      const job = await jobs.begin(tenant, c.req.raw.signal);
      const shape = chatReply(model.files, () => ({ conversation: conversationFacts(held, model) }));
      return await respond(service, conversation.answer(turn, settings, job.signal), {
        job: {
          ...job,
          end: () => {
            job.end();
            giveBack();
          },
        },
        shape,
        usage: ({ tokens }) => usageOf(before, tokens),
        stream: request.stream,
        includeUsage: request.stream_options?.include_usage === true,
      });
    } catch (error) {
      giveBack();
      throw error;
    }
  });

  router.post("/v1/conversations/:id/compress", async (c) => {
    const { tenant } = c.env;
    const { from, to, keep, method, seed } = await readJson(c.req.raw, spanRequest, limits.bodyBytes);
    const chosen = chosenMethod(service, method);
    const { held, giveBack } = conversations.take(tenant, c.req.param("id"));
    try {
      const { live, messages } = held.conversation;
      const [first, last] = [messages[from], messages[to - 1]];
      if (first === undefined || last === undefined || from >= to) {
        throw new Refusal(
          "bad-argument",
          `there are ${messages.length} messages: from must be less than to, to at most ${messages.length}`,
          {
            param: "to",
          },
        );
      }
      const span = { start: first.start, end: last.end };
      checkContextTokens(limits, span.end - span.start, "to");
      const before = { rows: live.rows.heldRows, kept: live.rowsOf(span) };
      // Old rows and new ones lie side by side for a moment.
      conversations.makeRoom(live.rows.heldRows, held.conversation);
      const begun = performance.now();
      const rows = await jobs.run(tenant, c.req.raw.signal, ({ signal }) =>
        live.compress({
          span,
          keep,
          method: chosen.method,
          sinks: chosen.adapter?.adapter.config.sinks ?? DEFAULT_SINKS,
          seed,
          signal,
        }),
      );
      const tokens = span.end - span.start;
      service.metrics.tokens.inc({ kind: "compressed" }, tokens);
      return c.json({
        object: "conversation.compression",
        span,
        tokens,
        asked: askedFacts(keep),
        obtained: { fraction: rows / tokens, tokens: rows },
        rows_before: before.rows,
        rows_after: live.rows.heldRows,
        seconds: (performance.now() - begun) / 1000,
        conversation: conversationFacts(held, model),
      });
    } finally {
      giveBack();
    }
  });
}

/** A conversation as the API tells it; no message's text. */
function conversationFacts({ id, created, conversation }: HeldConversation, { files, config }: LanguageModel): object {
  const { live, messages } = conversation;
  return {
    id,
    object: "conversation",
    created,
    model: files.name,
    /** Tokens said so far, compressed or not: positions go on from here. */
    tokens: live.tokens,
    /** Rows that the model reads. */
    rows: live.rows.heldRows,
    /** Of these, where the model runs. */
    key_value_bytes: keyValueBytes(config, live.rows.heldRows, Float32Array.BYTES_PER_ELEMENT),
    compressed_tokens: live.compressedTokens,
    kept_tokens: live.keptTokens,
    messages: messages.map(({ role, start, end }) => ({ role, tokens: end - start })),
  };
}
