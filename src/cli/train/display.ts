import type { TrainingRunOptions } from "../../train/run.ts";
import { formatBytes, formatNumber, formatRate } from "../../util/format.ts";
import { type Logger, LOG_LEVELS } from "../../util/log.ts";
import { type Progress, startProgress } from "../../util/progress.ts";

/** What this start of the program did, for the summary. */
export interface SessionTotals {
  readonly steps: number;
  readonly tokens: number;
  readonly seconds: number;
}

export interface TrainingDisplay {
  readonly listeners: Required<Pick<TrainingRunOptions, "onStart" | "onStep" | "onNote">>;
  readonly totals: () => SessionTotals;
  /** May be called again. */
  stop(): void;
}

/** A progress line with loss, both divergences, speed and memory, unless the log level is below `info`. */
export function showTraining(steps: number, log: Logger): TrainingDisplay {
  const quiet = LOG_LEVELS.indexOf(log.level) < LOG_LEVELS.indexOf("info");
  let progress: Progress | undefined;
  let totals: SessionTotals = { steps: 0, tokens: 0, seconds: 0 };
  return {
    listeners: {
      onStart: ({ step, examples }) => {
        log.debug(`${examples} examples, from step ${step}`);
        if (!quiet) progress = startProgress({ label: "train", unit: "steps", total: steps, done: step });
      },
      onStep: (report) => {
        const { step, loss, forwardKl, reverseKl, tokens, seconds, residentBytes } = report;
        totals = { steps: totals.steps + 1, tokens: totals.tokens + tokens, seconds: totals.seconds + seconds };
        progress?.update(step, {
          loss: formatNumber(loss),
          KL: formatNumber(forwardKl),
          "reverse KL": formatNumber(reverseKl),
          "·": formatRate(tokens / seconds, "tokens"),
          memory: formatBytes(residentBytes),
        });
        log.trace(() => JSON.stringify(report));
      },
      onNote: (line) => {
        log.warn(line);
      },
    },
    totals: () => totals,
    stop: () => {
      progress?.stop();
      progress = undefined;
    },
  };
}
