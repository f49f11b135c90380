import { Worker } from "node:worker_threads";
import type { GateFlags } from "./busy-gate.ts";
import type { Settings } from "./options.ts";

export interface WorkerData {
  readonly settings: Settings;
  /** Shared with the main thread. */
  readonly gate: GateFlags;
}

/**
 * Starts worker.js beside this file or, where the package runs from its sources, worker.ts through tsx: Node 20 cannot
 * load TypeScript in a worker by itself, and tsx does not follow into workers unless it is registered there again.
 */
export function spawnWorker(workerData: WorkerData): Worker {
  if (!import.meta.url.endsWith(".ts")) return new Worker(new URL("./worker.js", import.meta.url), { workerData });
  const tsx = JSON.stringify(import.meta.resolve("tsx/esm/api"));
  const entry = JSON.stringify(new URL("./worker.ts", import.meta.url).href);
  const code = `import(${tsx}).then(({ register }) => { register(); return import(${entry}); });`;
  return new Worker(code, { eval: true, workerData });
}
