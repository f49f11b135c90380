import { messageOf } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";

const TOLD_EVERY_MILLISECONDS = 10_000;

/** Connections tell of every vain attempt, several a second: a person reads one line now and then. */
export function lossTeller(log: Logger): (error: unknown) => void {
  let told = -Infinity;
  return (error) => {
    log.debug(() => `queue: ${messageOf(error)}`);
    if (performance.now() - told < TOLD_EVERY_MILLISECONDS) return;
    told = performance.now();
    log.warn(`the queue does not answer as it should (${messageOf(error)}); trying on`);
  };
}
