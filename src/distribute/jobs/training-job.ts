import { z } from "zod";
import type { StepBatch } from "../../train/take-step.ts";
import { boundedList } from "../../util/bounded-list.ts";
import type { JobContext, JobKind } from "./kind.ts";
import type { TrainingBench } from "./training-bench.ts";

/** What a training job needs of a worker. A run that stays on one machine lends the same. */
export interface TrainingContext extends Pick<JobContext, "store" | "folder" | "scratch" | "signal"> {
  readonly training: () => TrainingBench;
}

/** A sort of work that training sends. */
export interface TrainingJob<W, R> extends Omit<JobKind<W, R>, "run"> {
  readonly run: (work: W, context: TrainingContext) => Promise<R>;
}

/** The settings of a run, which `parseTrainConfig` checks. */
export const sentConfigSchema = z.record(z.string(), z.union([z.string(), z.number()]));

const token = z.int().min(0);
const tokens = boundedList(token, { least: 1 });

/** Passages of an optimiser step, tokenised, as JSON in the store. */
export const sentItemsSchema = boundedList(
  z.strictObject({
    keep: z.number().gt(0).max(1),
    passage: z.strictObject({
      id: z.string(),
      source: z.string(),
      contextIds: tokens,
      turns: boundedList(
        z.strictObject({
          kind: z.enum(["question", "reconstruction"]),
          questionIds: tokens,
          answerIds: tokens,
        }),
        { least: 1 },
      ),
    }),
  }),
  { least: 1 },
);

export const sentBatchesSchema = boundedList(z.strictObject({ epoch: token, items: sentItemsSchema }), { least: 1 });

/** Only what the schemas above know. */
export function sentItems(items: StepBatch["items"]): z.infer<typeof sentItemsSchema> {
  return items.map(({ keep, passage: { id, source, contextIds, turns } }) => ({
    keep,
    passage: {
      id,
      source,
      contextIds: [...contextIds],
      turns: turns.map(({ kind, questionIds, answerIds }) => ({
        kind,
        questionIds: [...questionIds],
        answerIds: [...answerIds],
      })),
    },
  }));
}
