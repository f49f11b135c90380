import { useEffect, useState } from "preact/hooks";

export interface Loaded<T> {
  readonly value: T | undefined;
  readonly failure: string | undefined;
  readonly reload: () => void;
}

/**
 * Loads something for a view, anew when `key` changes or it is asked to; the old value stays until the new one is there.
 * @param key what is loaded, in one word
 */
export function useLoaded<T>(key: string, load: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [state, setState] = useState<{ readonly key: string; readonly value?: T; readonly failure?: string }>();
  const [times, setTimes] = useState(0);
  useEffect(() => {
    const controller = new AbortController();
    load(controller.signal).then(
      (value) => {
        if (!controller.signal.aborted) setState({ key, value });
      },
      (error: unknown) => {
        if (controller.signal.aborted) return;
        setState({ key, failure: error instanceof Error ? error.message : String(error) });
      },
    );
    return () => {
      controller.abort();
    };
  }, [key, times]);
  const own = state?.key === key ? state : undefined;
  return {
    value: own?.value,
    failure: own?.failure,
    reload: () => {
      setTimes((before) => before + 1);
    },
  };
}
