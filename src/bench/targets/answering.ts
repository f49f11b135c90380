import { contextLimit } from "../../models/config.ts";
import type { AnswersRequest, DecodeRequest, FirstTokenRequest } from "../sides/protocol.ts";
import type { Target, TargetInputs } from "./target.ts";

/** Tokens of a question, the template's included. */
const QUESTION = 32;

function onFullCache({ context, steps }: TargetInputs["sizes"], text: TargetInputs["text"]): DecodeRequest {
  return { work: "decode", context: text.take(context), keep: 1, first: text.take(1, context)[0] ?? 0, steps };
}

/** Greedy tokens on a full cache. */
export const decode: Target = ({ sizes, text }) => {
  const request = (): DecodeRequest => onFullCache(sizes, text);
  return [
    {
      name: `decode ${sizes.context}`,
      what: `${sizes.steps} tokens on a full cache of ${sizes.context}`,
      measure: "tokens/s",
      entries: [
        { name: "ours", side: "ours", request },
        { name: "transformers", side: "transformers", request, sameResult: true },
        { name: "transformers-js", side: "transformers-js", request, goal: 1.3, sameResult: true },
        { name: "node-llama-cpp", side: "node-llama-cpp", request, goal: 0.8 },
      ],
    },
  ];
};

/** Greedy tokens with weights of 8 and 4 bits, beside float32. */
export const quantised: Target = ({ sizes, text }) => {
  const request = (): DecodeRequest => ({ ...onFullCache(sizes, text), fidelity: true });
  return (["int8", "int4"] as const).map((precision) => ({
    name: `decode ${precision} ${sizes.context}`,
    what: `${sizes.steps} tokens on a full cache of ${sizes.context}, ${precision} beside fp32`,
    measure: "tokens/s",
    entries: [
      { name: precision, side: `ours, ${precision}`, precision, request },
      { name: "fp32", side: "ours, fp32", precision: "fp32", request },
    ],
  }));
};

/** Greedy tokens on the compressed cache of a long text, beside its full cache. */
export const decodeCompressed: Target = ({ sizes, text, files }) => {
  const tokens = Math.min(sizes.long, contextLimit(files.config) - sizes.steps - 1);
  const request = (keep: number) => (): DecodeRequest => ({
    work: "decode",
    context: text.take(tokens),
    keep,
    first: text.take(1, tokens)[0] ?? 0,
    steps: sizes.steps,
  });
  return [
    {
      name: `decode-compressed ${sizes.long}`,
      what: `${sizes.steps} tokens on the ${sizes.longKeep * 100}% cache of ${tokens} tokens`,
      measure: "tokens/s",
      entries: [
        { name: "ours", side: "ours", request: request(sizes.longKeep) },
        { name: "our full cache", side: "ours, full cache", request: request(1), goal: 3 },
      ],
    },
  ];
};

/** From a question to the first token of its answer: out of a cache file, beside reading the text again. */
export const firstToken: Target = ({ sizes, text, files }) => {
  const tokens = Math.min(sizes.long, contextLimit(files.config) - QUESTION - 1);
  const request = (from: FirstTokenRequest["from"]) => (): FirstTokenRequest => ({
    work: "first-token",
    from,
    context: text.take(tokens),
    keep: sizes.longKeep,
    question: text.take(QUESTION, tokens),
  });
  return [
    {
      name: `first-token ${sizes.long}`,
      what: `first token of an answer from the ${sizes.longKeep * 100}% cache file of ${tokens} tokens`,
      measure: "answers/s",
      entries: [
        { name: "ours", side: "ours", request: request("file") },
        { name: "our prefill", side: "ours, prefill", request: request("text"), goal: 20 },
      ],
    },
  ];
};

/** As an evaluation asks: several questions about one context, each on the caches of several budgets. */
const ASKED = { questions: 5, keeps: [0.75, 0.5, 0.25] };

/** A rival's caches, answered from as an evaluation does. */
export const answers: Target = ({ sizes, text }) =>
  sizes.answers.map((tokens) => {
    const request = (): AnswersRequest => ({
      work: "answers",
      context: text.take(tokens),
      keeps: ASKED.keeps,
      questions: Array.from({ length: ASKED.questions }, (_, i) => text.take(QUESTION, tokens + i * QUESTION)),
      steps: sizes.steps,
    });
    return {
      name: `answers ${tokens}`,
      what: `${ASKED.keeps.length * ASKED.questions} answers of ${sizes.steps} tokens from SnapKV's caches of ${tokens} at ${percents(ASKED.keeps)}`,
      measure: "answers/s",
      entries: [
        { name: "ours", side: "ours", request },
        { name: "kvpress", side: "kvpress", request, goal: 3, sameResult: true },
      ],
    };
  });

function percents(parts: readonly number[]): string {
  return `${parts.map((part) => part * 100).join(", ")}%`;
}
