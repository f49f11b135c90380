import { messageOf } from "../util/errors.ts";

/** One that takes part: what it does in one turn, measured by itself. */
export interface Contestant<T> {
  readonly name: string;
  readonly turn: (round: number) => Promise<T>;
}

/** What a contestant measured, or why it left. */
export interface Turns<T> {
  readonly name: string;
  readonly samples: readonly T[];
  readonly failure?: string;
}

export interface InterleaveOptions {
  /** Rounds that are not counted. */
  readonly warmups: number;
  readonly repetitions: number;
  /** Milliseconds between turns: threads of the side before may still spin. */
  readonly settle: number;
  /** Checked before every turn. */
  readonly signal?: AbortSignal;
  /** After every turn, warm-ups included. */
  readonly onTurn?: (name: string) => void;
}

/**
 * Round after round, every contestant in order: what slows the machine for a while slows all of them. `round` counts from 0, warm-ups
 * included, so that every contestant gets the same input in the same round. One that fails leaves; the first must not fail.
 * @throws what the first contestant throws, and the signal's reason
 */
export async function interleave<T>(
  contestants: readonly Contestant<T>[],
  { warmups, repetitions, settle, signal, onTurn }: InterleaveOptions,
): Promise<Turns<T>[]> {
  const results = contestants.map(({ name }): { name: string; samples: T[]; failure?: string } => ({
    name,
    samples: [],
  }));
  for (let round = 0; round < warmups + repetitions; round++) {
    for (const [i, { name, turn }] of contestants.entries()) {
      const result = results[i];
      if (result === undefined || result.failure !== undefined) continue;
      signal?.throwIfAborted();
      if (settle > 0) await new Promise((resolve) => setTimeout(resolve, settle));
      try {
        const sample = await turn(round);
        if (round >= warmups) result.samples.push(sample);
      } catch (error) {
        signal?.throwIfAborted();
        if (i === 0) throw error;
        result.failure = messageOf(error);
      }
      onTurn?.(name);
    }
  }
  return results;
}
