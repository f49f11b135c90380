import type { WorkRequest } from "../sides/protocol.ts";
import type { Target } from "./target.ts";

/** Reading a text into an empty cache; with less than float32 beside our own float32. */
export const prefill: Target = ({ sizes, text, precision }) =>
  sizes.prefill.map((tokens) => {
    const rounded = precision !== "fp32";
    const request = (): WorkRequest => ({ work: "prefill", ids: text.take(tokens) });
    const compared = (): WorkRequest => ({ work: "prefill", ids: text.take(tokens), fidelity: true });
    return {
      name: `prefill ${tokens}`,
      what: `reading ${tokens} tokens`,
      measure: "tokens/s",
      entries: [
        { name: "ours", side: "ours", request: rounded ? compared : request },
        ...(rounded ? [{ name: "fp32", side: "ours, fp32", precision: "fp32", request: compared } as const] : []),
        { name: "transformers", side: "transformers", request, goal: 1.2, sameResult: true },
        { name: "transformers-js", side: "transformers-js", request, goal: 1.2, sameResult: true },
        { name: "node-llama-cpp", side: "node-llama-cpp", request },
      ],
    };
  });

/** Reading and compressing, beside reading alone. */
export const compress: Target = ({ sizes, text }) => {
  const ids = text.take(sizes.compress);
  const request = (): WorkRequest => ({ work: "compress", ids, keep: sizes.compressKeep, foldTokens: null });
  return [
    {
      name: `compress ${sizes.compress}`,
      what: `compressing ${sizes.compress} tokens to ${sizes.compressKeep * 100}%`,
      measure: "tokens/s",
      entries: [
        { name: "ours", side: "ours", request },
        { name: "our prefill", side: "ours, prefill", request: () => ({ work: "prefill", ids }), goal: 0.8 },
        { name: "kvpress", side: "kvpress", request },
      ],
    },
  ];
};

/** Texts of any length, fold by fold: time and memory against length. */
export const fold: Target = ({ sizes, text }) => {
  const folding = (tokens: number): WorkRequest => ({
    work: "compress",
    ids: text.take(tokens),
    keep: sizes.longKeep,
    foldTokens: sizes.foldTokens,
  });
  return sizes.fold.map((tokens) => ({
    name: `fold ${tokens}`,
    what: `compressing ${tokens} tokens to ${sizes.longKeep * 100}%, ${sizes.foldTokens} at a time`,
    measure: "tokens/s",
    atMost: 1,
    entries: [
      {
        name: "ours",
        side: "ours",
        request: () => folding(tokens),
        warmUp: () => folding(sizes.foldTokens),
      },
    ],
  }));
};
