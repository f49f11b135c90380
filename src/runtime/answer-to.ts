import { messageOf } from "../util/errors.ts";
import type { Engine } from "./engine.ts";
import type { Kind, Message, Reply, ResultOf } from "./messages.ts";

/** An engine's answer to a message: what to post, and the memory that is handed over with it. */
export async function answerTo<K extends Kind>(
  handlers: Engine["handlers"],
  { callId, kind, request }: Message<K>,
): Promise<{ readonly reply: Reply; readonly transfer: ArrayBuffer[] }> {
  try {
    const result = await handlers[kind](request);
    return { reply: { callId, result }, transfer: buffersOf(result) };
  } catch (error) {
    return { reply: { callId, thrown: messageOf(error) }, transfer: [] };
  }
}

/** Memory of a result that is handed over rather than copied. */
function buffersOf(result: ResultOf<Kind>): ArrayBuffer[] {
  if (result === undefined) return [];
  if ("data" in result) return [result.data.buffer];
  return "tensors" in result ? Object.values(result.tensors).map(({ data }) => data.buffer) : [];
}
