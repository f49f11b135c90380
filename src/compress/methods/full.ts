import type { CompressionMethod } from "../method.ts";

/** The uncompressed cache: the ceiling that every other method is measured against. It ignores the budget. */
export const full: CompressionMethod = {
  name: "full",
  compress: async ({ context }) => {
    const { layers } = await context.full();
    return { layers, positions: [Int32Array.from(context.ids.keys())] };
  },
};
