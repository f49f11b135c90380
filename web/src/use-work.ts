import { useEffect, useRef, useState } from "preact/hooks";

/** A piece of work that a person has started: not begun, going on, failed, or done. */
export interface Work {
  readonly busy: boolean;
  /** Why it failed; it is none that it was cancelled. */
  readonly failure: string | undefined;
  /** Does something; what was going on before is cancelled. */
  readonly start: (work: (signal: AbortSignal) => Promise<void>) => void;
  readonly cancel: () => void;
}

/** One piece of work at a time; it is cancelled when the view goes. */
export function useWork(): Work {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<string>();
  const current = useRef<AbortController | undefined>(undefined);
  useEffect(
    () => () => {
      current.current?.abort();
    },
    [],
  );
  return {
    busy,
    failure,
    start: (work) => {
      current.current?.abort();
      const controller = new AbortController();
      current.current = controller;
      setBusy(true);
      setFailure(undefined);
      work(controller.signal)
        .catch((error: unknown) => {
          if (!controller.signal.aborted) setFailure(error instanceof Error ? error.message : String(error));
        })
        .finally(() => {
          if (current.current === controller) setBusy(false);
        });
    },
    cancel: () => {
      current.current?.abort();
    },
  };
}
