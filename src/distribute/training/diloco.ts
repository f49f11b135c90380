import { join } from "node:path";
import { type PartState, type TrainingState } from "../../train/checkpoint.ts";
import type { TrainConfig } from "../../train/config.ts";
import { readDelta } from "../../train/diloco/delta.ts";
import { DeltaSum, outerStep } from "../../train/diloco/outer-step.ts";
import { checkParts, nextBatches, type PartBatches } from "../../train/diloco/part-data.ts";
import { parameterTensors } from "../../train/parameter-file.ts";
import type { Parameters } from "../../train/parameters.ts";
import type { StepFacts } from "../../train/take-step.ts";
import { type StepReport, wasGivenUp } from "../../train/trainer.ts";
import type { TrainingLoop } from "../../train/training-loop.ts";
import { INNER_STEPS_JOB, type InnerStepsResult } from "../jobs/inner-steps.ts";
import { sentItems } from "../jobs/training-job.ts";
import { fetchFile, putFile, putJson } from "../store/checked-file.ts";
import type { StoredFile } from "../store/key.ts";
import { putTensors, readTensors } from "../store/tensors.ts";
import type { Crew, JobOutcome } from "./crew.ts";
import { asError } from "./gradients.ts";

/** What the last step of a round says of the round, in `metrics.jsonl`. */
export interface RoundFacts {
  /** Parts whose steps count. */
  readonly parts: readonly number[];
  /** The others, whose steps are taken again in the next round, and why. */
  readonly dropped: readonly { readonly part: number; readonly why: string }[];
  /** Euclidean norm of the mean delta. */
  readonly deltaNorm: number;
  /** Bytes of deltas that came. */
  readonly deltaBytes: number;
}

export interface DilocoOptions {
  /** Seconds after which a round ends with the parts that are done, when there is one. */
  readonly deadline?: number;
}

/** A part between two rounds: what a checkpoint keeps of it, its file being in the store. */
interface Part extends Omit<PartState, "file"> {
  readonly file?: StoredFile;
}

/**
 * Training in rounds (arXiv 2311.08105): each part of the data takes `innerSteps` AdamW steps from the shared parameters, one job a part; the
 * mean of where they ended moves the shared parameters. AdamW's moments stay with their part, as in the paper. Deltas are added in the order
 * of the parts, whoever was first. A part that fails or is late is listed, and takes the same steps again in the next round.
 */
export function dilocoLoop(crew: Crew, { deadline }: DilocoOptions = {}): TrainingLoop {
  return async ({ examples, config, state, signal, onStart, onStep, onState, onNote }) => {
    checkParts(examples, config);
    const { store, scratch } = crew;
    // What SGD has of moments is its momentum; it takes the place of AdamW's first.
    const { parameters, moments } = state;
    const none = Array.from({ length: config.parts }, (): PartState => ({ steps: 0 }));
    /** Files of the checkpoint, until they lie in the store. */
    const files = (state.parts ?? none).map(({ file }) => file);
    let parts = (state.parts ?? none).map(({ steps, cursor }): Part => ({
      steps,
      ...(cursor === undefined ? {} : { cursor }),
    }));
    let { step } = state;
    let saved: TrainingState = state;
    onStart();
    while (step < config.steps && signal?.aborted !== true) {
      const begun = performance.now();
      const count = Math.min(config.innerSteps, config.steps - step);
      const taken: PartBatches[] = [];
      for (const [part, { cursor }] of parts.entries()) {
        taken.push(await nextBatches(examples, config, part, cursor, count));
      }
      const request = {
        kind: INNER_STEPS_JOB,
        title: `steps ${step + 1} to ${step + count} of ${config.steps}`,
        units: taken.map(({ batches }) => batches.reduce((sum, { items }) => sum + items.length, 0)),
        jobs: async (folder: string) => {
          const shared = await putTensors(store, `${folder}/work`, parameterTensors("", parameters), scratch);
          const sent: Part[] = [];
          for (const [part, own] of parts.entries()) {
            const local = files[part];
            const file = local === undefined ? own.file : await putFile(store, `${folder}/work`, "safetensors", local);
            sent.push({ ...own, ...(file === undefined ? {} : { file }) });
          }
          parts = sent;
          return Promise.all(
            taken.map(async ({ batches }, part) => ({
              config,
              parameters: shared,
              state: parts[part]?.file ?? null,
              momentSteps: parts[part]?.steps ?? 0,
              step,
              batches: await putJson(
                store,
                `${folder}/work`,
                batches.map(({ epoch, items }) => ({ epoch, items: sentItems(items) })),
              ),
            })),
          );
        },
        ...(deadline === undefined ? {} : { deadline }),
        ...(signal === undefined ? {} : { signal }),
      };
      let outcomes: JobOutcome<InnerStepsResult>[];
      try {
        outcomes = await crew.round(request);
      } catch (error) {
        if (wasGivenUp(error, signal)) break;
        throw error;
      }
      const round = await closeRound(crew, outcomes, parameters, moments.first, config);
      files.fill(undefined);
      parts = parts.map((own, part) => {
        const [result, data] = [round.results.get(part), taken[part]];
        if (result === undefined || data === undefined) return own;
        return { steps: own.steps + count, cursor: data.cursor, file: result.state };
      });
      for (const { part, why } of round.facts.dropped) {
        onNote(`part ${part} did not count for steps ${step + 1} to ${step + count} and takes them again: ${why}`);
      }
      const seconds = (performance.now() - begun) / 1000 / count;
      const reports = meanReports([...round.results.values()], step, seconds);
      for (const report of reports) await onStep(report === reports.at(-1) ? { ...report, ...round } : report);
      step += count;
      saved = { step, parameters, moments };
      await onState(step, () => withParts(crew, saved, parts));
      await crew.settle(parts.flatMap(({ file }) => file ?? []));
    }
    return withParts(crew, { step, parameters, moments }, parts);
  };
}
