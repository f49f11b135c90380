import { sharedMethod } from "./shared.ts";

/** The first tokens and the most recent ones (StreamingLLM, arXiv 2309.17453). */
export const streaming = sharedMethod("streaming", ({ context }) =>
  Float32Array.from(context.ids, (_, position) => position),
);
