import type { CompressionMethod } from "../method.ts";
import { takeKept } from "../rows.ts";

/** The sinks alone: what the model answers without the context. The floor. It ignores the budget. */
export const none: CompressionMethod = {
  name: "none",
  compress: async ({ context, sinks }) => {
    const positions = Int32Array.from(
      { length: Math.min(Math.max(1, sinks), context.ids.length) },
      (_, position) => position,
    );
    const { layers } = await context.full();
    return { layers: takeKept(layers, context.model.config, [positions]), positions: [positions] };
  },
};
