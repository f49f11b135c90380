import { STEP_SETTINGS } from "../step-settings.ts";
import type { TrainRequest } from "../sides/protocol.ts";
import type { Target, TargetInputs } from "./target.ts";

/** One optimiser step, teacher included, on other examples in every round: nothing can be remembered from the round before. */
export const train: Target = (inputs) => {
  const { sizes, precision } = inputs;
  const request = stepRequest(inputs);
  return [
    {
      name: `train ${sizes.examples} examples`,
      what: `training step of ${sizes.examples} examples, rank ${sizes.rank}, ${sizes.microBatch} at once (ours)`,
      measure: "tokens/s",
      entries: [
        { name: "ours", side: "ours", request },
        ...(precision === "fp32" ? [] : [{ name: "fp32", side: "ours, fp32", precision: "fp32", request } as const]),
        { name: "torch-fp32", side: "torch-fp32", request, goal: 1.5, sameResult: precision === "fp32" },
        { name: "torch-bf16", side: "torch-bf16", request, goal: 1 },
        // Its adapters act on every token, so its loss is the same only as long as they do nothing.
        { name: "peft", side: "peft", request, goal: 3 },
      ],
    },
  ];
};

export const memory: Target = (inputs) => {
  const { sizes } = inputs;
  const request = stepRequest(inputs);
  return [
    {
      name: `memory ${sizes.examples} examples`,
      what: `peak memory of a training step of ${sizes.examples} examples, rank ${sizes.rank}, ${sizes.microBatch} at once (ours)`,
      measure: "peak bytes",
      entries: [
        { name: "ours", side: "ours", request },
        { name: "torch-fp32", side: "torch-fp32", request, goal: 0.4, sameResult: true },
      ],
    },
  ];
};

const stepRequest =
  ({ sizes, triples, start, files }: TargetInputs) =>
  (round: number): TrainRequest => ({
    work: "train",
    triples: triples(round),
    start,
    rank: sizes.rank,
    microBatch: sizes.microBatch,
    ...STEP_SETTINGS,
    eta: Math.min(STEP_SETTINGS.eta, files.config.numLayers - 1),
  });
