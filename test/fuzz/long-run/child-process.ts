import { type ChildProcess, fork } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Chunk, Done, Told } from "./messages.ts";

/** A child that has given no sign of life for so many seconds is stuck. */
const STUCK_SECONDS = 180;
/** MiB of a child's heap: a parser that wants more ends it, which is noticed. */
const HEAP = 1500;
/** MiB of the part of the heap where a case's objects begin: with V8's 16 much of what a case makes outlives it. */
const YOUNG_HEAP = 32;

/** The process that the cases run in; a new one when it has ended. */
export class CaseProcess {
  lastCase: number | undefined;
  ending = "";
  private process: ChildProcess | undefined;

  /** @returns undefined when the process ended or was stuck */
  run(chunk: Chunk): Promise<Done | undefined> {
    this.process ??= start();
    const own = this.process;
    this.lastCase = undefined;
    return new Promise((resolve) => {
      let silent = 0;
      // Counted and not read off a clock, so that a pause of either process (SIGSTOP) is none of the case's time.
      const patience = setInterval(() => {
        if (!isStopped(own.pid)) silent++;
        if (silent > STUCK_SECONDS) own.kill("SIGKILL");
      }, 1000);
      const finish = (done: Done | undefined): void => {
        clearInterval(patience);
        for (const event of ["message", "exit"]) own.removeAllListeners(event);
        if (done === undefined) this.process = undefined;
        resolve(done);
      };
      own.on("message", (told: Told) => {
        silent = 0;
        if (told.kind === "done") finish(told);
        else this.lastCase = told.number;
      });
      own.on("exit", (code, signal) => {
        this.ending = signal === null ? `exit code ${code ?? "none"}` : `signal ${signal}`;
        finish(undefined);
      });
      own.send(chunk);
    });
  }

  async close(): Promise<void> {
    const own = this.process;
    if (own === undefined) return;
    const ended = new Promise((resolve) => own.once("exit", resolve));
    own.disconnect();
    await ended;
  }
}

function start(): ChildProcess {
  const execArgv = [
    "--import",
    "tsx",
    "--expose-gc",
    `--max-old-space-size=${HEAP}`,
    `--max-semi-space-size=${YOUNG_HEAP}`,
  ];
  return fork(new URL("../main.ts", import.meta.url), ["--child"], {
    execArgv,
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
}

/** Whether a process was paused by a signal, where the system tells (proc_pid_stat(5)). */
function isStopped(pid: number | undefined): boolean {
  try {
    return /\) [Tt] /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}
