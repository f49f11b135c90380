/** How fast something advances, over the recent past. */
export interface RateMeter {
  /** Tells that `done` units were finished at `seconds` on a clock that never goes back. */
  record(done: number, seconds: number): void;
  /** Units per second; undefined until there are two moments with time between them. */
  perSecond(): number | undefined;
}

interface Moment {
  readonly done: number;
  readonly seconds: number;
}

// Moments closer than this are merged, so that a fast loop costs nothing.
const SPACING_SECONDS = 0.25;
// Long enough to smooth batches of unequal length, short enough to follow a machine that slows down.
const WINDOW_SECONDS = 60;
// A slow loop (a step a minute) is still averaged over this many moments.
const FEWEST_MOMENTS = 8;

/** A meter over the last minute, or the last eight moments where those reach further back. */
export function createRateMeter(): RateMeter {
  const past: Moment[] = [];
  let latest: Moment | undefined;

  function record(done: number, seconds: number): void {
    latest = { done, seconds };
    const previous = past.at(-1);
    if (previous !== undefined && seconds - previous.seconds < SPACING_SECONDS) return;
    past.push(latest);
    while (past.length > FEWEST_MOMENTS && seconds - (past[1]?.seconds ?? seconds) >= WINDOW_SECONDS) past.shift();
  }

  function perSecond(): number | undefined {
    const first = past[0];
    if (first === undefined || latest === undefined || latest.seconds <= first.seconds) return undefined;
    return (latest.done - first.done) / (latest.seconds - first.seconds);
  }

  return { record, perSecond };
}
