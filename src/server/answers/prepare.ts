import { type AskedKeep, nextPositionOf } from "../../cache/kv-cache.ts";
import { loadKvd } from "../../cache/load-kvd.ts";
import { compressIds } from "../../compress/compress.ts";
import { nextPosition } from "../../compress/next-position.ts";
import { type ContextTokens, isMarked } from "../../models/marked-span.ts";
import type { TextPart } from "../../models/tokenizer.ts";
import { isKvDistillError } from "../../util/errors.ts";
import type { Tenant } from "../access/tokens.ts";
import { keptTokens } from "../contexts/context-facts.ts";
import { checkContextTokens, checkMessages } from "../check-limits.ts";
import { plannedRows } from "../contexts/make-context.ts";
import { Refusal } from "../http/refusal.ts";
import { chosenMethod, type Service } from "../service.ts";
import { chatParts, chatPartsAfterContext } from "./chat-parts.ts";
import type { ChatRequest } from "./chat-request.ts";
import type { Prompt } from "./prompt.ts";
import type { TextRequest } from "./text-request.ts";

/**
 * What a chat's answer follows.
 * @throws Refusal, KvDistillError: everything that is the request's fault
 */
export async function prepareChat(service: Service, tenant: Tenant, request: ChatRequest): Promise<Prompt> {
  const { messages, context, keep, method } = request;
  const { encoder, limits } = service;
  const { files } = service.model;
  checkMessages(limits, messages);
  onlyOne(context, keep);
  if (context != null) {
    const parts = chatPartsAfterContext(files, messages);
    return afterContext(service, tenant, context, await encoder.parts(parts));
  }
  const { messages: parts, tail } = chatParts(files, messages);
  if (keep == null) return plain(await encoder.parts([...parts.flat(), tail]));
  return compressed(service, await chatSpan(service, parts, tail), keep, method ?? undefined);
}

/** As `prepareChat`, for a text to go on with; special tokens written in it are such. */
export async function prepareText(service: Service, tenant: Tenant, request: TextRequest): Promise<Prompt> {
  const { prompt, context, keep, method } = request;
  const { encoder } = service;
  onlyOne(context, keep);
  if (keep != null) {
    if (typeof prompt !== "string" || !isMarked(prompt)) {
      throw new Refusal("bad-argument", "the part to compress must be marked in the text", { param: "prompt" });
    }
    const tokens = await encoder.marked([{ text: prompt, special: "plain" }]);
    return compressed(service, tokens, keep, method ?? undefined);
  }
  const ids = typeof prompt === "string" ? await encoder.parts([{ text: prompt, special: "parse" }]) : prompt;
  if (ids.length === 0) throw new Refusal("bad-argument", "the prompt is empty", { param: "prompt" });
  const bad = ids.find((id) => id >= service.model.config.vocabSize);
  if (bad !== undefined)
    throw new Refusal("bad-argument", `token id ${bad} is not in the vocabulary`, { param: "prompt" });
  return context == null ? plain(ids) : afterContext(service, tenant, context, ids);
}

function onlyOne(context: unknown, keep: unknown): void {
  if (context != null && keep != null) {
    throw new Refusal("bad-argument", "a stored context is compressed already: give context or keep", {
      param: "keep",
    });
  }
}

function plain(ids: readonly number[]): Prompt {
  return {
    ids,
    before: { rows: 0, position: 0 },
    usage: { tokens: ids.length, cached: 0, compressed: 0, kept: 0 },
    open: () => Promise.resolve(undefined),
  };
}

function afterContext({ store, model }: Service, tenant: Tenant, id: string, ids: readonly number[]): Prompt {
  const { description } = store.get(tenant, id);
  const { contextLength, slots, provenance } = description;
  const { name, hash, tokenizerHash } = model.files;
  if (provenance.modelHash !== hash) {
    throw new Refusal("bad-argument", `the context belongs to another model, ${provenance.modelName}`, {
      param: "context",
    });
  }
  return {
    ids,
    before: { rows: slots, position: nextPositionOf(description) },
    usage: {
      tokens: contextLength + ids.length,
      cached: contextLength,
      compressed: provenance.span.end - provenance.span.start,
      kept: keptTokens(description),
    },
    open: () =>
      store.use(tenant, id, async ({ path }) => {
        try {
          return await loadKvd(path, { expectModel: { name, hash, tokenizerHash } });
        } catch (error) {
          if (!isKvDistillError(error)) throw error;
          throw new Refusal("damaged", "the stored context cannot be read", { param: "context", cause: error });
        }
      }),
  };
}

/** The marked part, or everything in front of the last message. */
async function chatSpan(
  { encoder }: Service,
  messages: readonly (readonly TextPart[])[],
  tail: TextPart,
): Promise<ContextTokens> {
  if (messages.some((parts) => parts.some(({ text, special }) => special === "plain" && isMarked(text)))) {
    return encoder.marked([...messages.flat(), tail]);
  }
  const front = messages.slice(0, -1).flat();
  if (front.length === 0) {
    throw new Refusal("bad-argument", "there is nothing in front of the only message: mark the part to compress", {
      param: "keep",
    });
  }
  const [head, rest] = await Promise.all([encoder.parts(front), encoder.parts([...messages.slice(-1).flat(), tail])]);
  return { ids: [...head, ...rest], span: { start: 0, end: head.length } };
}

function compressed(service: Service, { ids, span }: ContextTokens, keep: AskedKeep, name?: string): Prompt {
  const { model, metrics, limits } = service;
  const chosen = chosenMethod(service, name);
  const context = { ids: ids.slice(0, span.end), span };
  checkContextTokens(limits, span.end, "keep");
  const { rows } = plannedRows(model.config, "messages", context, chosen, keep, false);
  if (span.end === ids.length) {
    throw new Refusal("bad-argument", "nothing follows the compressed part", { param: "keep" });
  }
  return {
    ids: ids.slice(span.end),
    before: { rows, position: nextPosition(chosen.method, span.end, rows) },
    usage: {
      tokens: ids.length,
      cached: 0,
      compressed: span.end - span.start,
      kept: rows - span.start,
    },
    open: async (signal) => {
      const cache = await compressIds(model, context.ids, { ...chosen, span, keep, signal });
      metrics.tokens.inc({ kind: "compressed" }, span.end - span.start);
      return cache;
    },
  };
}
