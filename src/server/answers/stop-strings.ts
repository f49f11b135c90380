/** Text that is given out up to a stop string. */
export interface StopFilter {
  /** The text that is certain not to belong to a stop string. */
  push(piece: string): string;
  /** What was held back, when the answer ends without a stop string. */
  end(): string;
  /** A stop string has come: nothing more is given out. */
  readonly stopped: boolean;
}

/** Holds back what may be the beginning of one of `stops`; of several found at once the earliest counts. */
export function stopFilter(stops: readonly string[]): StopFilter {
  let held = "";
  let stopped = false;
  return {
    push: (piece) => {
      if (stopped) return "";
      held += piece;
      const found = stops.map((stop) => held.indexOf(stop)).filter((at) => at >= 0);
      if (found.length > 0) {
        stopped = true;
        const given = held.slice(0, Math.min(...found));
        held = "";
        return given;
      }
      const given = held.slice(0, held.length - longestBeginning(held, stops));
      held = held.slice(given.length);
      return given;
    },
    end: () => {
      const rest = held;
      held = "";
      return rest;
    },
    get stopped() {
      return stopped;
    },
  };
}

/** Characters at the end of a text that are the beginning of a stop string. */
function longestBeginning(text: string, stops: readonly string[]): number {
  const longest = Math.max(0, ...stops.map((stop) => stop.length - 1));
  for (let length = Math.min(longest, text.length); length > 0; length--) {
    const tail = text.slice(text.length - length);
    if (stops.some((stop) => stop.startsWith(tail))) return length;
  }
  return 0;
}
