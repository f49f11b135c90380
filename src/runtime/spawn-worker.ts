import type { Worker } from "node:worker_threads";
import { spawnThread } from "../util/spawn-thread.ts";
import type { GateFlags } from "./busy-gate.ts";
import type { Settings } from "./options.ts";

export interface WorkerData {
  readonly settings: Settings;
  /** Shared with the main thread. */
  readonly gate: GateFlags;
}

/** Starts the thread that ONNX Runtime runs in. */
export function spawnWorker(workerData: WorkerData): Worker {
  return spawnThread(import.meta.url, "worker", workerData);
}
