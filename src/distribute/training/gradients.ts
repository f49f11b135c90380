import { addUp, countTurns, NOTHING, splitStep, type StepGradients } from "../../train/accumulate.ts";
import type { TrainConfig } from "../../train/config.ts";
import { parameterTensors, readParameterTensors } from "../../train/parameter-file.ts";
import { train } from "../../train/trainer.ts";
import type { TrainingLoop } from "../../train/training-loop.ts";
import { KvDistillError } from "../../util/errors.ts";
import { GRADIENTS_JOB } from "../jobs/gradients.ts";
import type { Failure } from "../jobs/payload.ts";
import { sentItems } from "../jobs/training-job.ts";
import { putJson } from "../store/checked-file.ts";
import { putTensors, readTensors } from "../store/tensors.ts";
import type { Crew } from "./crew.ts";

/**
 * Training with one job for each micro-batch of a step. They are added up in their order, whoever did them and whenever: the run is that of
 * one machine with the same `microBatch`, bit for bit where the machines compute alike.
 */
export function gradientsLoop(crew: Crew): TrainingLoop {
  return async ({ onStart, onStep, onState, onEnd, onNote: _, ...task }) => {
    onStart();
    let step = task.state.step;
    const last = await train({
      ...task,
      gradients: gradientsBy(crew, task.config, task.signal, () => step),
      onStep: async (report, state) => {
        step = report.step;
        await onStep(report);
        await onState(step, () => Promise.resolve(state));
      },
    });
    await onEnd(last);
  };
}

/**
 * Gradients that a crew computes.
 * @param done steps before the next
 */
export function gradientsBy(
  crew: Crew,
  config: TrainConfig,
  signal: AbortSignal | undefined,
  done: () => number,
): StepGradients {
  return async (parameters, items, microBatch) => {
    const { store, scratch } = crew;
    const turnCount = countTurns(items);
    const parts = splitStep(items, microBatch);
    const outcomes = await crew.round({
      kind: GRADIENTS_JOB,
      place: { done: done(), steps: 1, total: config.steps },
      units: parts.map((part) => part.length),
      jobs: async (folder) => {
        const stored = await putTensors(store, `${folder}/work`, parameterTensors("", parameters), scratch);
        return Promise.all(
          parts.map(async (part) => ({
            config,
            parameters: stored,
            turnCount,
            items: await putJson(store, `${folder}/work`, sentItems(part)),
          })),
        );
      },
      ...(signal === undefined ? {} : { signal }),
    });
    let total = NOTHING;
    for (const outcome of outcomes) {
      if ("failure" in outcome) throw asError(outcome.failure);
      const { gradients: file, ...numbers } = outcome.result;
      const gradients = await readTensors(store, file, scratch, (found) => readParameterTensors(found, ""));
      total = addUp(total, { ...numbers, gradients });
    }
    await crew.settle([]);
    return total;
  };
}

/** A failure of a job as the fault of the run. */
export function asError({ code, message }: Failure): KvDistillError {
  return new KvDistillError(code === "not-finite" ? code : "engine", message, {
    hint: "--resume goes on from the last checkpoint",
  });
}
