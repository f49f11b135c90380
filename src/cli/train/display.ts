import type { TrainingRunOptions } from "../../train/run.ts";
import { formatBytes, formatNumber } from "../../util/format.ts";
import { type Logger, LOG_LEVELS } from "../../util/log.ts";
import { createRateMeter } from "../../util/rate-meter.ts";
import { type Progress, startProgress } from "../../util/progress.ts";

/** What this start of the program did, for the summary. */
export interface SessionTotals {
  readonly steps: number;
  readonly tokens: number;
  readonly seconds: number;
}

export interface TrainingDisplay {
  readonly listeners: Required<Pick<TrainingRunOptions, "onScorerPassage" | "onStart" | "onStep" | "onNote">>;
  readonly totals: () => SessionTotals;
  /** May be called again. */
  stop(): void;
}

/**
 * A progress line with loss, both divergences, speed and memory, unless the log level is below `info`.
 * @param steps of the run; undefined when something else ends it
 */
export function showTraining(steps: number | undefined, log: Logger): TrainingDisplay {
  const quiet = LOG_LEVELS.indexOf(log.level) < LOG_LEVELS.indexOf("info");
  const speed = createRateMeter();
  let progress: Progress | undefined;
  let totals: SessionTotals = { steps: 0, tokens: 0, seconds: 0 };
  speed.record(0, 0);
  const stop = (): void => {
    progress?.stop();
    progress = undefined;
  };
  return {
    listeners: {
      onScorerPassage: (done, total) => {
        if (!quiet) progress ??= startProgress({ label: "start of the scorer", unit: "passages", total });
        progress?.update(done);
      },
      onStart: ({ step, examples }) => {
        stop();
        log.debug(`${examples} examples, from step ${step}`);
        const total = steps === undefined ? {} : { total: steps };
        if (!quiet) progress = startProgress({ label: "train", unit: "steps", ...total, done: step });
      },
      onStep: (report) => {
        const { step, loss, forwardKl, reverseKl, tokens, seconds, residentBytes } = report;
        totals = { steps: totals.steps + 1, tokens: totals.tokens + tokens, seconds: totals.seconds + seconds };
        speed.record(totals.tokens, totals.seconds);
        progress?.update(step, {
          loss: formatNumber(loss),
          KL: formatNumber(forwardKl),
          "reverse KL": formatNumber(reverseKl),
          "tokens/s": formatNumber(speed.perSecond() ?? tokens / seconds),
          memory: formatBytes(residentBytes),
        });
        log.trace(() => JSON.stringify(report));
      },
      onNote: (line) => {
        log.warn(line);
      },
    },
    totals: () => totals,
    stop,
  };
}
