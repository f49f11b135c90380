/**
 * The script of the worker that computes. A page does not import it: `loadModel` starts it, by default the file beside itself, or the
 * worker that the option `worker` makes from it (docs/browser.md).
 */
import { answerTo } from "../runtime/answer-to.ts";
import { createEngine, type Engine } from "../runtime/engine.ts";
import type { Message } from "../runtime/messages.ts";
import { messageOf } from "../util/errors.ts";
import { webBuild } from "./engine-build.ts";
import type { WorkerScope } from "./platform.ts";
import type { WorkerSetup } from "./port.ts";

const scope = globalThis as unknown as WorkerScope;
let engine: Promise<Engine> | undefined;
let last = Promise.resolve();

scope.addEventListener("message", ({ data }) => {
  if (engine === undefined) {
    engine = webBuild(data as WorkerSetup).then((build) => createEngine({}, build));
    // Told to each call that waits for it.
    engine.catch(() => undefined);
    return;
  }
  const message = data as Message;
  last = last.then(() => answer(message));
});

/** One request at a time, in the order in which they came. */
async function answer(message: Message): Promise<void> {
  try {
    const { handlers } = (await engine) ?? { handlers: undefined };
    if (handlers === undefined) return;
    const { reply, transfer } = await answerTo(handlers, message);
    scope.postMessage(reply, transfer);
  } catch (error) {
    scope.postMessage({ callId: message.callId, thrown: messageOf(error) });
  }
}
