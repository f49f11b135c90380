import type { FollowOptions } from "../distribute/run/distribute.ts";
import { formatCount } from "../util/format.ts";
import { LOG_LEVELS } from "../util/log.ts";
import { type Progress, startProgress } from "../util/progress.ts";
import type { CommandContext } from "./context.ts";

/** Runs `work` with a progress line about a run of the queue; what workers say of it is told. */
export async function withRunProgress<T>(
  { log }: Pick<CommandContext, "log">,
  label: string,
  work: (follow: Required<Pick<FollowOptions, "onProgress" | "onNote">>) => Promise<T>,
  unit = "jobs",
): Promise<T> {
  const quiet = LOG_LEVELS.indexOf(log.level) < LOG_LEVELS.indexOf("info");
  let progress: Progress | undefined;
  try {
    return await work({
      onProgress: ({ done, total, failed }) => {
        if (quiet) return;
        progress ??= startProgress({ label, unit, total, done });
        progress.update(done, failed === 0 ? {} : { failed: formatCount(failed) });
      },
      onNote: (line) => {
        log.warn(line);
      },
    });
  } finally {
    progress?.stop();
  }
}
