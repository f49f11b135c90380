import { systemCodeOf } from "../../../util/disk-error.ts";
import { messageOf } from "../../../util/errors.ts";
import { spawnThread } from "../../../util/spawn-thread.ts";
import { ParquetFault } from "./parquet-fault.ts";
import type { ParquetRequest, ParquetTold } from "./parquet-messages.ts";

/** MiB of a thread's heap: a group of a gibibyte of text takes about two. */
export const HEAP = 4096;

/** A thread that reads one file after another. */
export interface ParquetThread {
  /** @throws ParquetFault when the thread ended over the file, or had no answer after so many seconds and was ended */
  ask(path: string, seconds: number): Promise<ParquetTold>;
  end(): Promise<unknown>;
}

// Threads that have read a file to its end: starting one takes longer than most files.
const idle: ParquetThread[] = [];

export function takeThread(): ParquetThread {
  return idle.pop() ?? startThread();
}

export function giveBackThread(thread: ParquetThread): void {
  idle.push(thread);
}

function startThread(): ParquetThread {
  const worker = spawnThread(import.meta.url, "parquet-worker", {}, { maxOldGenerationSizeMb: HEAP });
  const ask = (path: string, seconds: number): Promise<ParquetTold> =>
    new Promise((resolve, reject) => {
      const patience = setTimeout(() => {
        finish(() => {
          reject(new ParquetFault(`reading a part of it takes more than ${seconds} s`));
        });
        void worker.terminate();
      }, seconds * 1000);
      const finish = (settle: () => void): void => {
        clearTimeout(patience);
        // By name: the worker listens to itself too.
        for (const event of ["message", "error", "exit"]) worker.removeAllListeners(event);
        // An idle thread does not keep the process alive.
        worker.unref();
        settle();
      };
      worker.ref();
      worker.once("message", (told: ParquetTold) => {
        finish(() => {
          resolve(told);
        });
      });
      worker.once("error", (error) => {
        finish(() => {
          reject(new ParquetFault(faultOf(error)));
        });
      });
      worker.once("exit", () => {
        finish(() => {
          reject(new ParquetFault("the thread that read it ended"));
        });
      });
      worker.postMessage({ path } satisfies ParquetRequest);
    });
  return { ask, end: () => worker.terminate() };
}

function faultOf(error: unknown): string {
  if (systemCodeOf(error) === "ERR_WORKER_OUT_OF_MEMORY") return `reading it takes more than ${HEAP} MiB`;
  return `the parquet data is damaged or ends early (${messageOf(error)})`;
}
