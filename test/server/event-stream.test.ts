import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { eventStream } from "../../src/server/http/event-stream.ts";
import type { Job } from "../../src/server/queue/jobs.ts";

/** A job that counts its ends. */
function fakeJob(): Job & { readonly ends: () => number } {
  const controller = new AbortController();
  let ends = 0;
  return {
    signal: controller.signal,
    waitedSeconds: 0,
    explain: (error) => error,
    abandon: () => {
      controller.abort(new Error("gone"));
    },
    end: () => {
      ends++;
    },
    ends: () => ends,
  };
}

test.each([
  ["an event comes", () => "event"],
  [
    "the work fails",
    () => {
      throw new Error("stopped");
    },
  ],
])("a client that hangs up while an event is made is no error when %s after all", async (_, come) => {
  const job = fakeJob();
  const errors: unknown[] = [];
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  let cleaned = false;
  async function* events(): AsyncGenerator<string, void, undefined> {
    try {
      yield "first";
      await held;
      yield come();
    } finally {
      cleaned = true;
    }
  }
  const { body } = eventStream(events(), job, {
    onFailure: () => "failure",
    onError: (error) => errors.push(error),
  });
  const reader = body?.getReader();
  expect(new TextDecoder().decode((await reader?.read())?.value as Uint8Array)).toBe("first");
  // The stream asks for the next event once it is done with the last.
  await pause(0);
  const next = reader?.read();
  await pause(0);
  const cancelled = reader?.cancel();
  release();
  expect(await next).toMatchObject({ done: true });
  await cancelled;
  await expect.poll(() => cleaned && job.ends()).toBe(1);
  expect(job.signal.aborted).toBe(true);
  expect(errors).toEqual([]);
});
