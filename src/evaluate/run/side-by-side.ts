interface Next<T> {
  readonly source: AsyncIterator<T, unknown>;
  readonly result?: IteratorResult<T, unknown>;
  readonly failure?: { readonly error: unknown };
}

/**
 * What several sources give, as it comes; all of them work at the same time, each at most one result ahead.
 * @param stop is called when one of them has failed or nobody reads on: the others should then end, which is waited for
 * @throws what the first source that failed has thrown
 */
export async function* sideBySide<T>(
  sources: readonly AsyncIterator<T, unknown>[],
  stop: () => void,
): AsyncGenerator<T, void, undefined> {
  // Never rejects: a failure waits until it is read.
  const next = (source: AsyncIterator<T, unknown>): Promise<Next<T>> =>
    source.next().then(
      (result) => ({ source, result }),
      (error: unknown) => ({ source, failure: { error } }),
    );
  const pending = new Map(sources.map((source) => [source, next(source)]));
  try {
    while (pending.size > 0) {
      const { source, result, failure } = await Promise.race(pending.values());
      if (failure !== undefined) throw failure.error;
      if (result === undefined || result.done === true) {
        pending.delete(source);
        continue;
      }
      pending.set(source, next(source));
      yield result.value;
    }
  } finally {
    stop();
    await Promise.all(pending.values());
  }
}
