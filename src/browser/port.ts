import type { Port } from "../runtime/channel.ts";
import type { Reply } from "../runtime/messages.ts";
import type { WebWorker } from "./platform.ts";

/** What the worker is told before anything else. */
export interface WorkerSetup {
  readonly device: "webgpu" | "wasm";
  readonly threads: number;
  /** URL of the folder with onnxruntime-web's files; where its own script lies when absent. */
  readonly engineFiles: string | undefined;
}

/** A browser's worker as a port. Ending it ends the work in progress too: nothing outside the worker depends on it. */
export function webPort(worker: WebWorker, setup: WorkerSetup): Port {
  worker.postMessage(setup);
  return {
    post: (message, transfer) => {
      worker.postMessage(message, transfer);
    },
    listen: ({ reply, crash }) => {
      worker.addEventListener("message", ({ data }) => {
        reply(data as Reply);
      });
      worker.addEventListener("messageerror", () => {
        crash("a message could not be read");
      });
      worker.addEventListener("error", ({ message, error }) => {
        crash(message ?? "the worker's script did not load", error);
      });
    },
    // A page is alive as long as it is open.
    hold: () => undefined,
    end: () => {
      worker.terminate();
      return Promise.resolve();
    },
  };
}
