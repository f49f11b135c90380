import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { KvDistillError, messageOf } from "../../util/errors.ts";
import { printable } from "../../util/printable.ts";
import { quote } from "../../util/quote.ts";
import {
  failureSchema,
  helloSchema,
  type OpenRequest,
  PROTOCOL_VERSION,
  resultSchema,
  type SideResult,
  type WorkRequest,
} from "./protocol.ts";

/** How a side is started. */
export interface SideCommand {
  readonly name: string;
  /** Program and arguments. */
  readonly command: readonly [string, ...string[]];
  /** Added to this process's environment. */
  readonly environment?: Readonly<Record<string, string>>;
}

export interface SideOptions {
  /** Seconds without an answer after which a side is given up; starting and opening have two minutes at least. */
  readonly timeout: number;
  readonly signal?: AbortSignal;
  /** What it writes to stderr, line by line. */
  readonly onStderr?: (line: string) => void;
}

/** A process that does measured work, one request at a time. */
export interface Side {
  readonly name: string;
  readonly versions: Readonly<Record<string, string>>;
  /** @throws KvDistillError `peer` when the process failed, was silent or broke the protocol; it is of no use then */
  ask(request: WorkRequest): Promise<SideResult>;
  /** Ends the process. */
  close(): Promise<void>;
}

const STDERR_LINES = 8;
const MAX_LINE_CHARACTERS = 1 << 22;
const SECONDS_TO_END = 10;
const SECONDS_TO_START = 120;

/**
 * Starts a side and opens its model.
 * @throws KvDistillError `peer`, and the signal's reason
 */
export async function startSide(
  { name, command, environment = {} }: SideCommand,
  open: OpenRequest,
  { timeout, signal, onStderr }: SideOptions,
): Promise<Side> {
  const [program, ...rest] = command;
  signal?.throwIfAborted();
  const child = spawn(program, rest, {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  }) as ChildProcessByStdio<Writable, Readable, Readable>;
  const told: string[] = [];
  const lines: string[] = [];
  let wake: () => void = () => undefined;
  let ended: string | undefined;
  const end = (how: string): void => {
    ended ??= how;
    wake();
  };
  child.once("error", (error) => {
    end(`it cannot be started: ${messageOf(error)}`);
  });
  // Lines that were written before the end are read first.
  child.once("close", (code, by) => {
    end(by === null ? `it ended with exit code ${String(code)}` : `it was ended by ${by}`);
  });
  // A process that is gone is told by "close".
  child.stdin.on("error", () => undefined);
  createInterface({ input: child.stderr }).on("line", (line) => {
    told.push(line);
    if (told.length > STDERR_LINES) told.shift();
    onStderr?.(line);
  });
  readLines(child.stdout, (line) => {
    lines.push(line);
    wake();
  });
  const stop = (): void => void child.kill("SIGKILL");
  signal?.addEventListener("abort", stop, { once: true });

  const fail = (what: string, facts: { readonly expected?: string; readonly got?: string } = {}): KvDistillError => {
    stop();
    const faults = told.map((line) => printable(line.slice(0, 300)));
    return new KvDistillError("peer", what, { where: name, ...facts, ...(faults.length > 0 ? { faults } : {}) });
  };

  async function nextLine(seconds: number): Promise<unknown> {
    const begun = performance.now();
    while (lines.length === 0) {
      const left = seconds * 1000 - (performance.now() - begun);
      if (ended !== undefined || left <= 0) {
        signal?.throwIfAborted();
        throw ended === undefined ? fail(`no answer in ${seconds} s`) : fail(ended);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    const line = lines.shift() ?? "";
    try {
      return JSON.parse(line) as unknown;
    } catch {
      throw fail("its answer is not JSON", { got: quote(printable(line.slice(0, 200))) });
    }
  }

  const starting = Math.max(timeout, SECONDS_TO_START);
  let nextId = 0;
  async function request(asked: OpenRequest | WorkRequest): Promise<SideResult> {
    const id = nextId++;
    child.stdin.write(`${JSON.stringify({ id, ...asked })}\n`);
    const answer = await nextLine(asked.work === "open" ? starting : timeout);
    const failure = failureSchema.safeParse(answer);
    if (failure.success && failure.data.id === id) {
      throw fail(`${asked.work} failed`, { got: printable(failure.data.error.slice(0, 2000)) });
    }
    const result = resultSchema.safeParse(answer);
    if (result.success && result.data.id === id) return result.data;
    throw fail("its answer is not a result", {
      expected: `one of request ${id}`,
      got: quote(printable(JSON.stringify(answer).slice(0, 200))),
    });
  }

  const hello = helloSchema.safeParse(await nextLine(starting));
  if (!hello.success) throw fail("it did not say hello", { expected: "a kv-distill bench process" });
  if (hello.data.protocol !== PROTOCOL_VERSION) {
    throw fail("it speaks another version of the protocol", {
      expected: String(PROTOCOL_VERSION),
      got: String(hello.data.protocol),
    });
  }
  await request(open);
  return {
    name,
    versions: hello.data.versions,
    ask: request,
    close: async () => {
      signal?.removeEventListener("abort", stop);
      if (child.exitCode !== null || child.signalCode !== null) return;
      const closed = new Promise<void>((resolve) => child.once("close", resolve));
      child.stdin.end();
      const timer = setTimeout(stop, SECONDS_TO_END * 1000);
      await closed;
      clearTimeout(timer);
    },
  };
}

/** Whole lines of a stream. A line longer than any answer is given out cut, which no reader of JSON takes for whole. */
function readLines(stream: Readable, onLine: (line: string) => void): void {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (text: string) => {
    const parts = (rest + text).split("\n");
    rest = parts.pop() ?? "";
    for (const line of parts) onLine(line.slice(0, MAX_LINE_CHARACTERS));
    if (rest.length <= MAX_LINE_CHARACTERS) return;
    onLine(rest.slice(0, MAX_LINE_CHARACTERS));
    rest = "";
  });
}
