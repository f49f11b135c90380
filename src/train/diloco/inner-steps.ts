import { copyOf } from "../../tensor/bytes.ts";
import { tensor } from "../../tensor/tensor.ts";
import { KvDistillError } from "../../util/errors.ts";
import type { StepGradients } from "../accumulate.ts";
import type { Moments } from "../adamw.ts";
import type { TrainConfig } from "../config.ts";
import type { Parameters } from "../parameters.ts";
import { type StepBatch, type StepFacts, takeStep } from "../take-step.ts";

export interface InnerStepsRequest {
  readonly gradients: StepGradients;
  readonly config: TrainConfig;
  /** Where all parts of the round begin. */
  readonly start: Parameters;
  /** The part's own; changed in place. */
  readonly moments: Moments;
  /** Steps that they have seen. */
  readonly momentSteps: number;
  /** What rounding kept back of the part's deltas so far; empty when nothing. */
  readonly lost: Parameters;
  /** The run's steps before this round. */
  readonly step: number;
  readonly batches: readonly StepBatch[];
  readonly signal: AbortSignal;
}

export interface InnerStepsResult {
  /** Start minus end, plus what was lost before. */
  readonly delta: Parameters;
  readonly steps: readonly StepFacts[];
}

/**
 * What one part does in a round: AdamW steps on its own data, from the parameters that all parts share.
 * @throws KvDistillError `cancelled`, `not-finite`, and what `gradients` throws
 */
export async function innerSteps({
  gradients,
  config,
  start,
  moments,
  momentSteps,
  lost,
  step,
  batches,
  signal,
}: InnerStepsRequest): Promise<InnerStepsResult> {
  const parameters: Parameters = new Map([...start].map(([name, value]) => [name, copyOf(value)]));
  const steps: StepFacts[] = [];
  for (const [done, batch] of batches.entries()) {
    if (signal.aborted) throw new KvDistillError("cancelled", "the round was given up");
    const at = { step: step + done, momentSteps: momentSteps + done };
    steps.push(await takeStep({ gradients, config, parameters, moments, ...at, ...batch }));
  }
  const delta: Parameters = new Map(
    [...start].map(([name, { dims, data }]) => {
      const [end, before] = [parameters.get(name)?.data, lost.get(name)?.data];
      return [
        name,
        tensor(
          "float32",
          dims,
          data.map((value, i) => value - (end?.[i] ?? value) + (before?.[i] ?? 0)),
        ),
      ];
    }),
  );
  return { delta, steps };
}
