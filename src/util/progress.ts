import ora from "ora";
import { liveProgressLine, plainProgressLine } from "./progress-line.ts";
import type { ProgressState } from "./progress-line.ts";
import { createRateMeter } from "./rate-meter.ts";
import { coloursFor, isLiveTerminal } from "./terminal.ts";
import { columnsOf } from "./text-width.ts";

export interface ProgressOptions {
  /** What is being done: `train`, `pull model.safetensors`. */
  readonly label: string;
  /** What is counted, in the plural: `steps`, `tokens`. */
  readonly unit: string;
  /** How many there are; left out when unknown. */
  readonly total?: number;
  /** How many were done before, by an earlier run; they do not count into the rate. Default 0. */
  readonly done?: number;
  /** How a count is written, e.g. `formatBytes`. Default: thousands separated, then the unit. */
  readonly format?: (count: number) => string;
  /** Seconds between lines when the stream is not a terminal. Default 10. */
  readonly plainEverySeconds?: number;
  /** Default stderr. */
  readonly stream?: NodeJS.WriteStream;
}

export interface Progress {
  /** Sets how many are done, and sets or replaces fields by name (`{ loss: "1.234" }`). */
  update(done: number, fields?: Readonly<Record<string, string>>): void;
  /** Takes the live line away and leaves one plain line with the last figures. A second call does nothing. */
  stop(): void;
}

const REDRAW_MILLISECONDS = 120;

/**
 * Shows progress until `stop()`: a live line on a terminal, otherwise one plain line every few seconds. Whatever else
 * is written to stdout or stderr meanwhile stays whole. The live line keeps the process alive, so call `stop()` in a
 * `finally`, or use `withProgress`. Ctrl-C is left to the caller.
 */
export function startProgress(options: ProgressOptions): Progress {
  const stream = options.stream ?? process.stderr;
  const clock = () => performance.now() / 1000;
  const begun = clock();
  const meter = createRateMeter();
  const fields = new Map<string, string>();
  let done = options.done ?? 0;
  meter.record(done, begun);

  const state = (): ProgressState => ({
    unit: options.unit,
    done,
    total: options.total,
    perSecond: meter.perSecond(),
    elapsedSeconds: clock() - begun,
    fields,
    ...(options.format === undefined ? {} : { format: options.format }),
  });
  const writePlain = () => {
    stream.write(`${options.label}: ${plainProgressLine(state())}\n`);
  };
  let endDisplay: (() => void) | undefined = isLiveTerminal(stream)
    ? showLive(options.label, stream, state)
    : showPlain(options.plainEverySeconds ?? 10, writePlain);

  return {
    update: (newDone, newFields = {}) => {
      done = newDone;
      meter.record(done, clock());
      for (const [name, value] of Object.entries(newFields)) fields.set(name, value);
    },
    stop: () => {
      if (endDisplay === undefined) return;
      endDisplay();
      endDisplay = undefined;
      writePlain();
    },
  };
}

/** Runs `work` with a progress display that is stopped whether the work succeeds or throws. */
export async function withProgress<T>(options: ProgressOptions, work: (progress: Progress) => Promise<T>): Promise<T> {
  const progress = startProgress(options);
  try {
    return await work(progress);
  } finally {
    progress.stop();
  }
}

function showLive(label: string, stream: NodeJS.WriteStream, state: () => ProgressState): () => void {
  const live = ora({
    text: label,
    // Two columns of spinner, the label, a space, and one column left free so that no terminal wraps.
    suffixText: () => liveProgressLine(state(), (stream.columns || 80) - columnsOf(label) - 4),
    stream,
    color: coloursFor(stream).isColorSupported ? "cyan" : false,
    interval: REDRAW_MILLISECONDS,
    isEnabled: true,
    discardStdin: false,
  });
  live.start();
  return () => void live.stop();
}

function showPlain(everySeconds: number, writeLine: () => void): () => void {
  const timer = setInterval(writeLine, everySeconds * 1000).unref();
  return () => {
    clearInterval(timer);
  };
}
