import type { CompressOptions } from "../../compress/compress.ts";
import { type Logger, LOG_LEVELS } from "../../util/log.ts";
import { type Progress, startProgress } from "../../util/progress.ts";
import { isLiveTerminal } from "../../util/terminal.ts";

export interface CompressionDisplay {
  readonly listeners: Required<Pick<CompressOptions, "onProgress" | "onWarning">>;
  /** Pieces that the text was compressed in. */
  readonly folds: () => number;
  /** May be called again. */
  readonly stop: () => void;
}

/** A progress line in tokens of the text, unless the log level is below `info`; for machines only where a person watches. */
export function showCompression(log: Logger, json: boolean): CompressionDisplay {
  const quiet = LOG_LEVELS.indexOf(log.level) < LOG_LEVELS.indexOf("info") || (json && !isLiveTerminal(process.stderr));
  let progress: Progress | undefined;
  let pieces = 1;
  return {
    listeners: {
      onProgress: ({ tokens, total, fold, folds }) => {
        pieces = folds;
        if (!quiet) progress ??= startProgress({ label: "compress", unit: "tokens", total });
        progress?.update(tokens, folds === 1 ? {} : { fold: `${fold} of ${folds}` });
      },
      onWarning: (message) => {
        log.warn(message);
      },
    },
    folds: () => pieces,
    stop: () => {
      progress?.stop();
      progress = undefined;
    },
  };
}
