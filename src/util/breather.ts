/** Milliseconds of work in one go. */
const AT_ONCE = 10;

/**
 * For long work in a thread that has others to answer: to be called between its parts. Lets everything that waits go first whenever the work
 * has gone on for a while.
 */
export function breather(): () => Promise<void> {
  let since = performance.now();
  return async () => {
    if (performance.now() - since < AT_ONCE) return;
    // Browsers have no setImmediate.
    await new Promise<void>((resolve) => {
      if (typeof setImmediate === "function") setImmediate(resolve);
      else setTimeout(resolve);
    });
    since = performance.now();
  };
}
