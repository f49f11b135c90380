import { perHeadMethod } from "./per-head.ts";

/**
 * Heavy hitters (H2O, arXiv 2306.14048), without the question: in every layer and kv head the tokens that received most attention while
 * the context was read. The whole budget goes to heavy hitters: on short contexts this is stronger than giving half of it to recent tokens.
 */
export const h2o = perHeadMethod("h2o", ({ context }) => context.attentionFromLast(context.ids.length));
