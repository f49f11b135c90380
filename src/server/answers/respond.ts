import { eventStream, sseEvent } from "../http/event-stream.ts";
import type { Job } from "../queue/jobs.ts";
import type { Service } from "../service.ts";
import type { Answered } from "./answer.ts";
import type { ReplyShape, Usage } from "./reply.ts";

export interface Responding {
  readonly job: Job;
  readonly shape: ReplyShape;
  /** Of the answer, when it has ended. */
  readonly usage: (answered: Answered) => Usage;
  readonly stream: boolean;
  readonly includeUsage: boolean;
}

/** Answers a request with the pieces of an answer, as they come or as one; the job ends with it. */
export async function respond(
  { metrics, report }: Pick<Service, "metrics" | "report">,
  pieces: AsyncGenerator<string, Answered, undefined>,
  { job, shape, usage, stream, includeUsage }: Responding,
): Promise<Response> {
  const ended = (answered: Answered): Usage => {
    const own = usage(answered);
    metrics.tokens.inc({ kind: "prompt" }, own.prompt_tokens);
    metrics.tokens.inc({ kind: "answer" }, own.completion_tokens);
    return own;
  };
  if (stream) {
    return eventStream(events(pieces, shape, ended, includeUsage), job, {
      onFailure: ({ error }) => sseEvent(JSON.stringify({ error })),
      onError: report,
    });
  }
  try {
    let text = "";
    let next = await pieces.next();
    for (; next.done !== true; next = await pieces.next()) text += next.value;
    return Response.json(shape.whole(text, next.value.finish, ended(next.value)));
  } catch (error) {
    throw job.explain(error);
  } finally {
    job.end();
  }
}

async function* events(
  pieces: AsyncGenerator<string, Answered, undefined>,
  shape: ReplyShape,
  ended: (answered: Answered) => Usage,
  includeUsage: boolean,
): AsyncGenerator<string, void, undefined> {
  // With usage asked for, every other event says that it has none.
  const event = (json: object): string => sseEvent(JSON.stringify(includeUsage ? { ...json, usage: null } : json));
  try {
    const opening = shape.opening();
    if (opening !== undefined) yield event(opening);
    let next = await pieces.next();
    for (; next.done !== true; next = await pieces.next()) yield event(shape.piece(next.value));
    const usage = ended(next.value);
    yield event(shape.closing(next.value.finish));
    if (includeUsage) yield sseEvent(JSON.stringify(shape.usage(usage)));
    yield sseEvent("[DONE]");
  } finally {
    await pieces.return({ finish: "stop", tokens: 0 });
  }
}
