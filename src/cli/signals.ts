import { constants } from "node:os";

const STOPPING = ["SIGINT", "SIGTERM"] as const;
type Stopping = (typeof STOPPING)[number];

/** How a shell tells that a signal ended a program. */
export function exitCodeOf(signal: Stopping): number {
  return 128 + constants.signals[signal];
}

/**
 * Calls `onSignal` for the first Ctrl-C or SIGTERM; the second ends the process at once.
 * @returns the signal that came, if any; and how to leave signals alone again
 */
export function watchSignals(onSignal: (signal: Stopping) => void): {
  readonly received: () => Stopping | undefined;
  readonly stop: () => void;
} {
  let received: Stopping | undefined;
  const listen = (signal: Stopping): void => {
    if (received !== undefined) process.exit(exitCodeOf(signal));
    received = signal;
    onSignal(signal);
  };
  for (const signal of STOPPING) process.on(signal, listen);
  return {
    received: () => received,
    stop: () => {
      for (const signal of STOPPING) process.off(signal, listen);
    },
  };
}
