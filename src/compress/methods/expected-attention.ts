import { expectedAttentionScores } from "../expected-attention.ts";
import { perHeadMethod } from "./per-head.ts";

/**
 * Expected Attention (arXiv 2510.00636): in every layer and kv head the tokens that queries to come will look at most, times the length of
 * their values. Queries to come are drawn, as it were, from a normal distribution with mean and covariance of the context's own queries, at the
 * next 512 positions.
 */
export const expectedAttention = perHeadMethod("expected-attention", ({ context, sinks }) =>
  expectedAttentionScores(context, sinks),
);
