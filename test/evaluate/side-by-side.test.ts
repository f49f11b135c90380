import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { sideBySide } from "../../src/evaluate/run/side-by-side.ts";

interface Watched {
  readonly source: AsyncGenerator<string, void, undefined>;
  readonly made: string[];
  ended: boolean;
}

/** Gives `${name}0`, `${name}1`, … until it is stopped; `act` may wait or throw before each. */
function watched(
  name: string,
  count: number,
  { signal, act }: { signal: AbortSignal; act: (index: number) => Promise<void> | void },
): Watched {
  const made: string[] = [];
  async function* give(): AsyncGenerator<string, void, undefined> {
    try {
      for (let i = 0; i < count && !signal.aborted; i++) {
        await act(i);
        made.push(`${name}${i}`);
        yield `${name}${i}`;
      }
    } finally {
      own.ended = true;
    }
  }
  const own: Watched = { source: give(), made, ended: false };
  return own;
}

describe("several sources side by side", () => {
  test("give everything, each in its own order, none waiting for a slower one", async () => {
    const stop = new AbortController();
    const release: (() => void)[] = [];
    const slow = watched("slow", 2, {
      signal: stop.signal,
      act: () => new Promise((resolve) => release.push(resolve)),
    });
    const fast = watched("fast", 5, { signal: stop.signal, act: () => undefined });
    const seen: string[] = [];
    for await (const one of sideBySide([slow.source, fast.source], () => {
      stop.abort();
    })) {
      seen.push(one);
      if (seen.length >= 5) release.shift()?.();
    }
    expect(seen).toEqual(["fast0", "fast1", "fast2", "fast3", "fast4", "slow0", "slow1"]);
  });

  test("none at all is nothing", async () => {
    const seen: unknown[] = [];
    for await (const one of sideBySide([], () => undefined)) seen.push(one);
    expect(seen).toEqual([]);
  });

  test("one that fails stops the others, whose work in progress is waited for", async () => {
    const stop = new AbortController();
    const failing = watched("failing", 3, {
      signal: stop.signal,
      act: (i) => {
        if (i === 1) throw new Error("broken");
      },
    });
    let inProgress = 0;
    const other = watched("other", 1000, {
      signal: stop.signal,
      act: async () => {
        inProgress++;
        await sleep(5);
        inProgress--;
      },
    });
    const read = async (): Promise<void> => {
      for await (const one of sideBySide([failing.source, other.source], () => {
        stop.abort();
      })) {
        expect(one).toMatch(/^(failing|other)\d+$/);
      }
    };
    await expect(read()).rejects.toThrow("broken");
    expect(inProgress).toBe(0);
    expect(other.made.length).toBeLessThan(1000);
    expect(failing.ended).toBe(true);
  });

  test("a failure while nobody looks is no unhandled one, and is thrown when it is read", async () => {
    const stop = new AbortController();
    const failing = watched("failing", 2, {
      signal: stop.signal,
      act: (i) => {
        if (i === 1) throw new Error("broken");
      },
    });
    const merged = sideBySide([failing.source], () => {
      stop.abort();
    });
    expect((await merged.next()).value).toBe("failing0");
    await sleep(20);
    await expect(merged.next()).rejects.toThrow("broken");
  });

  test("a reader who turns away stops them all", async () => {
    const stop = new AbortController();
    const sources = ["a", "b"].map((name) => watched(name, 1000, { signal: stop.signal, act: () => sleep(1) }));
    for await (const one of sideBySide(
      sources.map(({ source }) => source),
      () => {
        stop.abort();
      },
    )) {
      expect(one).toMatch(/^[ab]0$/);
      break;
    }
    const counts = sources.map(({ made }) => made.length);
    await sleep(20);
    expect(sources.map(({ made }) => made.length)).toEqual(counts);
    expect(Math.max(...counts)).toBeLessThanOrEqual(2);
  });
});
