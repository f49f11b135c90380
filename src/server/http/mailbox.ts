/**
 * What a piece of work tells while it goes on, as a stream.
 * @param work tells any number of things; what it throws is thrown to the reader
 */
export async function* told<T>(work: (tell: (item: T) => void) => Promise<void>): AsyncGenerator<T, void, undefined> {
  const box: T[] = [];
  let wake = (): void => undefined;
  const state = { done: false };
  const ended = work((item) => {
    box.push(item);
    wake();
  }).finally(() => {
    state.done = true;
    wake();
  });
  // Its failure is thrown below; until then nobody waits for it.
  ended.catch(() => undefined);
  try {
    for (;;) {
      for (let item = box.shift(); item !== undefined; item = box.shift()) yield item;
      if (state.done) break;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    // A reader that left early waits for the work to stop: it holds what is released after it.
    await ended;
  }
}
