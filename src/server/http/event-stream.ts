import type { Job } from "../queue/jobs.ts";
import { told } from "./mailbox.ts";
import { type Problem, problemOf } from "./problem.ts";

/** One server-sent event (https://html.spec.whatwg.org/multipage/server-sent-events.html). `data` holds no line ends. */
export function sseEvent(data: string, event?: string): string {
  return `${event === undefined ? "" : `event: ${event}\n`}data: ${data}\n\n`;
}

export interface EventStreamOptions {
  /** The last event when the work fails. */
  readonly onFailure: (problem: Problem) => string;
  /** Told of the failure itself. */
  readonly onError: (error: unknown) => void;
}

/**
 * A long piece of work as events: `progress` while it goes on, then `done` with what it made, or `error`.
 * @param work tells how far it is
 */
export function progressStream<T extends object>(
  job: Job,
  onError: (error: unknown) => void,
  work: (tell: (progress: object) => void) => Promise<T>,
): Response {
  const events = told<string>(async (tell) => {
    const made = await work((progress) => {
      tell(sseEvent(JSON.stringify(progress), "progress"));
    });
    tell(sseEvent(JSON.stringify(made), "done"));
  });
  return eventStream(events, job, {
    onFailure: ({ error }) => sseEvent(JSON.stringify({ error }), "error"),
    onError,
  });
}

/** Whether a client asks for events instead of one answer. */
export function wantsEvents(request: Request): boolean {
  return request.headers.get("accept")?.includes("text/event-stream") === true;
}

/**
 * A job's events as the body of a response; the job ends with it. The next event is made when the client has taken the last: a slow
 * reader slows its own stream down and nothing piles up. One that reads no more keeps its place until the job's time is up.
 */
export function eventStream(
  events: AsyncGenerator<string, void, undefined>,
  job: Job,
  { onFailure, onError }: EventStreamOptions,
): Response {
  const encoder = new TextEncoder();
  let making = false;
  let finished = false;
  /** The client has hung up: its stream is closed, and nothing may be put into it. */
  let gone = false;
  const finish = async (): Promise<void> => {
    if (finished) return;
    finished = true;
    // Lets the generator release what it holds; what it throws on the way out concerns nobody any more.
    await events.return().catch(() => undefined);
    job.end();
  };
  const onAbort = (): void => {
    if (!making) void finish();
  };
  job.signal.addEventListener("abort", onAbort, { once: true });
  if (job.signal.aborted) onAbort();

  const next = async (): Promise<string | undefined> => {
    if (finished) throw job.signal.reason;
    const event = await events.next();
    return event.done === true ? undefined : event.value;
  };
  const body = new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        making = true;
        try {
          const event = await next();
          if (gone) return;
          if (event !== undefined) controller.enqueue(encoder.encode(event));
          else {
            controller.close();
            await finish();
          }
        } catch (error) {
          if (gone) return;
          const reason = job.explain(error);
          onError(reason);
          controller.enqueue(encoder.encode(onFailure(problemOf(reason))));
          controller.close();
          await finish();
        } finally {
          making = false;
          if (job.signal.aborted) await finish();
        }
      },
      cancel: async () => {
        gone = true;
        job.abandon();
        await finish();
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, {
    headers: {
      "Content-Type": "text/event-stream; charset=utf-8",
      "Cache-Control": "no-store",
      "X-Accel-Buffering": "no",
    },
  });
}
