import { parentPort, workerData } from "node:worker_threads";
import { env } from "onnxruntime-node";
import { enter, leave } from "./busy-gate.ts";
import { createEngine } from "./engine.ts";
import type { Kind, Message, Reply, ResultOf } from "./messages.ts";
import type { WorkerData } from "./spawn-worker.ts";
import { messageOf } from "../util/errors.ts";

const port = parentPort;
if (port === null) throw new Error("worker.ts runs in a worker thread only");
const { gate, settings } = workerData as WorkerData;

env.logLevel = "fatal";
// From Node 24 on ONNX Runtime's JavaScript turns float16 tensors into Float16Array, which its native side then refuses.
Reflect.deleteProperty(globalThis, "Float16Array");
const { handlers, endTraces } = createEngine(settings);
let last = Promise.resolve();
port.on("message", (message: Message) => {
  last = last.then(() => answer(message));
});

/** One request at a time, in the order in which they came; once the gate is closed the thread ends. */
async function answer<K extends Kind>({ callId, kind, request }: Message<K>): Promise<void> {
  if (!enter(gate)) {
    endTraces();
    process.exit();
  }
  let reply: Reply;
  try {
    reply = { callId, result: await handlers[kind](request) };
  } catch (error) {
    reply = { callId, thrown: messageOf(error) };
  }
  leave(gate);
  port?.postMessage(reply, "result" in reply ? buffersOf(reply.result) : []);
}

/** Memory of a result that is handed over rather than copied. */
function buffersOf(result: ResultOf<Kind>): ArrayBuffer[] {
  if (result === undefined) return [];
  if ("data" in result) return [result.data.buffer];
  return "tensors" in result ? Object.values(result.tensors).map(({ data }) => data.buffer) : [];
}
