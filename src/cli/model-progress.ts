import type { ModelProgress, ModelReporter } from "../models/progress.ts";
import { formatBytes } from "../util/format.ts";
import { type Logger, LOG_LEVELS } from "../util/log.ts";
import { type Progress, startProgress } from "../util/progress.ts";

/** Steps that take less than this are not worth a line. */
const WORTH_TELLING_MILLISECONDS = 700;

const LABELS: Readonly<Record<ModelProgress["step"], string>> = {
  download: "downloading",
  check: "checking",
  unpack: "unpacking",
  convert: "converting to float32, once:",
  hash: "hashing, once:",
  quantise: "quantising, once:",
};

/**
 * Shows the long steps of opening or pulling a model on stderr, each with a progress line of its own.
 * @returns what `work` returns
 */
export async function withModelProgress<T>(log: Logger, work: (reporter: ModelReporter) => Promise<T>): Promise<T> {
  const quiet = LOG_LEVELS.indexOf(log.level) < LOG_LEVELS.indexOf("info");
  let step = "";
  let begun = 0;
  let shown: Progress | undefined;
  const end = (): void => {
    shown?.stop();
    shown = undefined;
  };
  const onProgress = (progress: ModelProgress): void => {
    if (quiet) return;
    const label = `${LABELS[progress.step]} ${progress.item}`;
    if (label !== step) {
      end();
      [step, begun] = [label, performance.now()];
    }
    if (shown === undefined && performance.now() - begun >= WORTH_TELLING_MILLISECONDS) {
      const { total, done } = progress;
      const counts = total === undefined ? { done } : { done, total };
      shown = startProgress({ label, unit: "bytes", format: formatBytes, ...counts });
    }
    shown?.update(progress.done);
  };
  try {
    return await work({
      onProgress,
      onWarning: (message) => {
        log.warn(message);
      },
    });
  } finally {
    end();
  }
}
