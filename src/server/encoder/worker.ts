import { parentPort, workerData } from "node:worker_threads";
import { encodeMarked } from "../../models/marked-span.ts";
import { openModel } from "../../models/open.ts";
import { isKvDistillError, messageOf } from "../../util/errors.ts";
import type { EncodeReply, EncodeRequest, EncoderData } from "./messages.ts";

// A thread that turns long texts into ids.
const { model } = workerData as EncoderData;
const opened = openModel(model);
// Told with every request.
opened.catch(() => undefined);

async function answer({ id, kind, parts }: EncodeRequest): Promise<EncodeReply> {
  try {
    const { tokenizer } = await opened;
    if (kind === "parts") return { id, ids: tokenizer.encodeParts(parts) };
    return { id, tokens: encodeMarked(parts, tokenizer) };
  } catch (error) {
    if (!isKvDistillError(error)) return { id, error: { code: undefined, message: messageOf(error), facts: {} } };
    // A cause may be anything, which cannot be sent.
    const facts = { ...error.facts, cause: undefined };
    return { id, error: { code: error.code, message: error.message, facts } };
  }
}

parentPort?.on("message", (request: EncodeRequest) => {
  void answer(request).then((reply) => parentPort?.postMessage(reply));
});
