import { spawnThread } from "../../util/spawn-thread.ts";
import { Refusal } from "../http/refusal.ts";
import type { FoundRun } from "./find-runs.ts";
import type { ReportReply, ReportRequest } from "./report-messages.ts";
import { messageFor } from "./run-facts.ts";

/**
 * The page about an evaluation, made in a thread of its own: a large one takes a second, in which the server has others to answer.
 * @throws Refusal `unreadable` for a run that is not finished, damaged, or of another version; the signal's reason
 */
export async function makeReport(run: FoundRun, signal: AbortSignal): Promise<string> {
  signal.throwIfAborted();
  const worker = spawnThread(import.meta.url, "report-worker", {
    folder: run.path,
    name: run.name,
  } satisfies ReportRequest);
  const stop = (): void => void worker.terminate();
  signal.addEventListener("abort", stop, { once: true });
  try {
    const reply = await new Promise<ReportReply>((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
      worker.once("exit", () => {
        reject(signal.aborted ? (signal.reason as Error) : new Error("the thread that makes reports ended"));
      });
    });
    if ("page" in reply) return reply.page;
    const { code, message } = reply.error;
    if (code === undefined) throw new Error(message);
    throw new Refusal("unreadable", messageFor(run, message));
  } finally {
    signal.removeEventListener("abort", stop);
    await worker.terminate();
  }
}
