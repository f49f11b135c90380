import type { ModelConfig } from "../../models/config.ts";
import { attentionTargets } from "../attention-targets.ts";
import type { TrainingBatch } from "../batch.ts";
import type { StepSettings } from "./engine.ts";

export interface ScorerLoss {
  /** Squared distance of scores and targets, mean over tokens and columns, weighted over passages; the setting's weight not applied. */
  readonly distance: number;
  /** [B · S, columns], the setting's weight applied. */
  readonly gradient: Float32Array;
}

/**
 * How far scores are from what the teacher's questions attend to. It teaches the scorer about every token, kept or not, which its gates
 * cannot.
 * @param scores [B · S, columns]
 * @param attention for every layer [B, G, S], the largest that each token receives from the passage's questions
 */
export function scorerLoss(
  { contextLengths, contextWidth, passageWeights }: TrainingBatch,
  { numKvHeads }: ModelConfig,
  scores: Float32Array,
  attention: readonly Float32Array[],
  { selection, scorerLoss: weight }: StepSettings,
): ScorerLoss {
  const columns = scores.length / (contextLengths.length * contextWidth);
  const gradient = new Float32Array(scores.length);
  let distance = 0;
  contextLengths.forEach((length, b) => {
    const heads = attention.flatMap((layer) =>
      Array.from({ length: numKvHeads }, (_, head) => {
        const start = (b * numKvHeads + head) * contextWidth;
        return layer.subarray(start, start + length);
      }),
    );
    const start = b * contextWidth * columns;
    const share = (passageWeights[b] ?? 0) / (length * columns);
    attentionTargets(heads, selection).forEach((target, i) => {
      const off = (scores[start + i] ?? 0) - target;
      distance += share * off * off;
      gradient[start + i] = 2 * weight * share * off;
    });
  });
  return { distance, gradient };
}
