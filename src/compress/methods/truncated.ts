import type { CompressionMethod } from "../method.ts";

/**
 * The text itself is cut to the budget: its first `count` tokens are read as if there were no more, and what is asked follows them at once. The
 * cut text is placed so that it ends where the context ends: with rotary positions only distances count, and the question stands right behind
 * it. In folds every fold is cut for itself. What a prompt limit does, and the yardstick for every cleverer choice.
 */
export const truncated: CompressionMethod = {
  name: "truncated",
  ownReading: true,
  compress: async ({ context, count }) => {
    const { model, ids, position, signal } = context;
    const cache = await model.newCache(position + ids.length - count);
    try {
      await model.forward({ ids: ids.slice(0, count), cache, ...(signal === undefined ? {} : { signal }) });
      return { layers: await cache.download(), positions: [Int32Array.from({ length: count }, (_, i) => i)] };
    } finally {
      cache.release();
    }
  },
};
