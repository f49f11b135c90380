import type { Worker } from "node:worker_threads";
import type { ContextTokens } from "../../models/marked-span.ts";
import type { TextPart, Tokenizer } from "../../models/tokenizer.ts";
import { KvDistillError } from "../../util/errors.ts";
import { spawnThread } from "../../util/spawn-thread.ts";
import { type Encoder, localEncoder } from "./encoder.ts";
import type { EncodeReply, EncodeRequest, EncoderData } from "./messages.ts";

/** Characters that this thread encodes itself: some milliseconds of work. */
const SHORT = 4000;

interface Pending {
  settle(reply: EncodeReply): void;
  fail(error: Error): void;
}

/**
 * Encodes short texts here and long ones in a thread of its own, which starts with the first and has a tokenizer of its own: a text of a
 * megabyte takes seconds, during which a server has others to answer.
 * @param model as `openModel` takes it
 */
export function threadedEncoder(model: string, tokenizer: Pick<Tokenizer, "encodeParts">): Encoder {
  const local = localEncoder(tokenizer);
  const pending = new Map<number, Pending>();
  let worker: Worker | undefined;
  let nextId = 0;

  const fail = (error: Error): void => {
    worker = undefined;
    for (const call of pending.values()) call.fail(error);
    pending.clear();
  };
  const start = (): Worker => {
    const own = spawnThread(import.meta.url, "worker", { model } satisfies EncoderData);
    own.on("message", (reply: EncodeReply) => {
      pending.get(reply.id)?.settle(reply);
      pending.delete(reply.id);
      if (pending.size === 0) own.unref();
    });
    own.on("error", fail);
    own.on("exit", () => {
      if (worker === own) fail(new KvDistillError("cancelled", "the encoder's thread ended"));
    });
    return own;
  };
  const ask = (kind: EncodeRequest["kind"], parts: readonly TextPart[]): Promise<EncodeReply> =>
    new Promise((settle, reject) => {
      worker ??= start();
      const id = nextId++;
      pending.set(id, { settle, fail: reject });
      worker.ref();
      worker.postMessage({ id, kind, parts } satisfies EncodeRequest);
    });

  return {
    parts: async (parts) => {
      if (isShort(parts)) return local.parts(parts);
      const reply = await ask("parts", parts);
      return "ids" in reply ? reply.ids : thrown(reply);
    },
    marked: async (parts): Promise<ContextTokens> => {
      if (isShort(parts)) return local.marked(parts);
      const reply = await ask("marked", parts);
      return "tokens" in reply ? reply.tokens : thrown(reply);
    },
    close: async () => {
      await worker?.terminate();
    },
  };
}

function isShort(parts: readonly TextPart[]): boolean {
  return parts.reduce((sum, { text }) => sum + text.length, 0) <= SHORT;
}

function thrown(reply: EncodeReply): never {
  if (!("error" in reply)) throw new Error("the encoder's thread answers something else");
  const { code, message, facts } = reply.error;
  if (code === undefined) throw new Error(message);
  const { where, expected, got, hint, faults } = facts;
  const what = message.split("; expected")[0]?.split("\n")[0] ?? message;
  throw new KvDistillError(code, where === undefined ? what : what.replace(`${where}: `, ""), {
    ...(where === undefined ? {} : { where }),
    ...(expected === undefined ? {} : { expected }),
    ...(got === undefined ? {} : { got }),
    ...(hint === undefined ? {} : { hint }),
    ...(faults === undefined ? {} : { faults }),
  });
}
