import { join } from "node:path";
import type { PartState, TrainingState } from "../../train/checkpoint.ts";
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
  return async ({ examples, config, state, signal, onStart, onStep, onState, onEnd, onNote }) => {
    checkParts(examples, config);
    const { store, scratch } = crew;
    // What SGD has of moments is its momentum; it takes the place of AdamW's first.
    const { parameters, moments } = state;
    const none = Array.from({ length: config.parts }, (): PartState => ({ steps: 0 }));
    /** Files of the checkpoint, until their parts have files in the store. */
    const files = (state.parts ?? none).map(({ file }) => file);
    let parts = (state.parts ?? none).map(({ steps, cursor }): Part => ({
      steps,
      ...(cursor === undefined ? {} : { cursor }),
    }));
    let { step } = state;
    const now = async (): Promise<TrainingState> => ({
      step,
      parameters,
      moments,
      parts: await localParts(crew, parts, files),
    });
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
        place: { done: step, steps: count, total: config.steps },
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
      // They lie in the store now; their checkpoint will be deleted when it is old.
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
      const reports: RoundReport[] = meanReports([...round.results.values()], step, seconds);
      for (const report of reports) {
        await onStep(report === reports.at(-1) ? { ...report, round: round.facts } : report);
      }
      step += count;
      await onState(step, now);
      await crew.settle(parts.flatMap(({ file }) => file ?? []));
    }
    await onEnd(await now());
  };
}

/** A step's report; the last of a round tells of the round too. */
type RoundReport = StepReport & { readonly round?: RoundFacts };

interface ClosedRound {
  /** Of the parts that count, by their number, in order. */
  readonly results: ReadonlyMap<number, InnerStepsResult>;
  readonly facts: RoundFacts;
}

/**
 * Adds up what came and takes the outer step, in place. Nothing has changed before all deltas are read.
 * @throws KvDistillError `engine` or `not-finite` when no part came, as the store
 */
async function closeRound(
  { store, scratch }: Crew,
  outcomes: readonly JobOutcome<InnerStepsResult>[],
  parameters: Parameters,
  momentum: Parameters,
  config: TrainConfig,
): Promise<ClosedRound> {
  const sum = new DeltaSum();
  const results = new Map<number, InnerStepsResult>();
  const dropped: { part: number; why: string }[] = [];
  for (const [part, outcome] of outcomes.entries()) {
    if ("failure" in outcome) {
      dropped.push({ part, why: outcome.failure.message });
      continue;
    }
    const { delta } = outcome.result;
    sum.add(await readTensors(store, delta, scratch, (file) => readDelta(file, parameters, config.deltas)));
    results.set(part, outcome.result);
  }
  const failed = outcomes.find((outcome) => "failure" in outcome);
  if (results.size === 0 && failed !== undefined) throw asError(failed.failure);
  const deltaNorm = outerStep(parameters, momentum, sum, config);
  const deltaBytes = [...results.values()].reduce((bytes, { delta }) => bytes + delta.bytes, 0);
  return { results, facts: { parts: [...results.keys()], dropped, deltaNorm, deltaBytes } };
}

/** Every step's numbers, averaged over the parts that took it; their tokens added up. */
function meanReports(results: readonly InnerStepsResult[], before: number, seconds: number): StepReport[] {
  const [first] = results;
  return (first?.steps ?? []).map(({ epoch, learningRate }, i) => {
    const own = results.flatMap(({ steps }) => steps[i] ?? []);
    const total = (key: keyof StepFacts): number => own.reduce((sum, facts) => sum + facts[key], 0);
    const mean = (key: keyof StepFacts): number => total(key) / own.length;
    return {
      step: before + i + 1,
      epoch,
      loss: mean("loss"),
      forwardKl: mean("forwardKl"),
      reverseKl: mean("reverseKl"),
      scorerDistance: mean("scorerDistance"),
      keep: mean("keep"),
      gradientNorm: mean("gradientNorm"),
      learningRate,
      tokens: total("tokens"),
      seconds,
      residentBytes: process.memoryUsage.rss(),
    };
  });
}

/** Parts with their files on this machine, for a checkpoint. */
async function localParts(
  { store, scratch }: Crew,
  parts: readonly Part[],
  files: readonly (string | undefined)[],
): Promise<PartState[]> {
  const found: PartState[] = [];
  for (const [part, { file, ...own }] of parts.entries()) {
    let path = files[part];
    if (path === undefined && file !== undefined) {
      path = join(scratch, `part-${part}.safetensors`);
      await fetchFile(store, file, path);
    }
    found.push({ ...own, ...(path === undefined ? {} : { file: path }) });
  }
  return found;
}
