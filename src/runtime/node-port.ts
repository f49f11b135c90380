import type { Worker } from "node:worker_threads";
import { messageOf } from "../util/errors.ts";
import { closeGate, type GateFlags, waitUntilIdle } from "./busy-gate.ts";
import type { Port } from "./channel.ts";
import type { Reply } from "./messages.ts";

const openGates = new Set<GateFlags>();

/** A process that ends during a run waits for its end: see busy-gate.ts. */
function onProcessExit(): void {
  for (const gate of openGates) closeGate(gate);
  for (const gate of openGates) waitUntilIdle(gate);
}

/** A worker thread of Node as a port. */
export function nodePort(worker: Worker, gate: GateFlags): Port {
  if (openGates.size === 0) process.on("exit", onProcessExit);
  openGates.add(gate);
  worker.unref();
  const exited = new Promise<number>((resolve) => {
    worker.on("exit", (exitCode) => {
      openGates.delete(gate);
      if (openGates.size === 0) process.off("exit", onProcessExit);
      resolve(exitCode);
    });
  });
  return {
    post: (message, transfer) => {
      worker.postMessage(message, transfer);
    },
    listen: ({ reply, crash }) => {
      worker.on("message", (message: Reply) => {
        reply(message);
      });
      worker.on("error", (error) => {
        crash(messageOf(error), error);
      });
      worker.on("exit", (exitCode) => {
        crash(`exit code ${exitCode}`);
      });
    },
    hold: (held) => {
      if (held) worker.ref();
      else worker.unref();
    },
    end: async () => {
      closeGate(gate);
      worker.ref();
      worker.postMessage("wake up and see the gate closed");
      await exited;
    },
  };
}
