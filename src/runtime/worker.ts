import { parentPort, workerData } from "node:worker_threads";
import { env, InferenceSession, listSupportedBackends, Tensor } from "onnxruntime-node";
import { answerTo } from "./answer-to.ts";
import { enter, leave } from "./busy-gate.ts";
import { createEngine } from "./engine.ts";
import type { Message } from "./messages.ts";
import { sessionOptions } from "./session-options.ts";
import type { WorkerData } from "./spawn-worker.ts";

const port = parentPort;
if (port === null) throw new Error("worker.ts runs in a worker thread only");
const { gate, settings } = workerData as WorkerData;

env.logLevel = "fatal";
// From Node 24 on ONNX Runtime's JavaScript turns float16 tensors into Float16Array, which its native side then refuses.
Reflect.deleteProperty(globalThis, "Float16Array");
const { handlers, endTraces } = createEngine(settings, {
  Tensor,
  devices: () => listSupportedBackends().map(({ name }) => name),
  createSession: (bytes, request, weights) => {
    if (weights.size > 0) throw new Error("in Node external data lies in files");
    return InferenceSession.create(bytes, sessionOptions(settings, request));
  },
});
let last = Promise.resolve();
port.on("message", (message: Message) => {
  last = last.then(() => answer(message));
});

/** One request at a time, in the order in which they came; once the gate is closed the thread ends. */
async function answer(message: Message): Promise<void> {
  if (!enter(gate)) {
    endTraces();
    process.exit();
  }
  const { reply, transfer } = await answerTo(handlers, message);
  leave(gate);
  port?.postMessage(reply, transfer);
}
