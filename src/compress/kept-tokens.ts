/** Which tokens of a context were kept. */
export interface KeptTokens {
  /** Choices made: layers · kv heads, or 1 when the tokens are the same in all of them. */
  readonly heads: number;
  /** For every token of the context, by how many of the `heads` it is held. */
  readonly holders: Uint32Array;
  /** For every token the highest score that it was kept for, -Infinity where it was not kept; undefined without scores. */
  readonly scores: Float32Array | undefined;
}

/**
 * Adds up choices.
 * @param positions kept positions, one entry a choice
 * @param given what they were kept by, entry by entry
 * @param tokens of the context
 */
export function countKept(
  positions: readonly Int32Array[],
  given: readonly Float32Array[] | undefined,
  tokens: number,
): KeptTokens {
  const holders = new Uint32Array(tokens);
  const scores = given === undefined ? undefined : new Float32Array(tokens).fill(-Infinity);
  positions.forEach((own, choice) => {
    own.forEach((position, slot) => {
      holders[position] = (holders[position] ?? 0) + 1;
      if (scores === undefined) return;
      scores[position] = Math.max(scores[position] ?? -Infinity, given?.[choice]?.[slot] ?? -Infinity);
    });
  });
  return { heads: positions.length, holders, scores };
}
