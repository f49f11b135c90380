import { z } from "zod";
import { gradientsOn } from "../../train/accumulate.ts";
import { zeroMoments } from "../../train/adamw.ts";
import { parseTrainConfig } from "../../train/config.ts";
import { encodeDelta } from "../../train/diloco/delta.ts";
import { innerSteps } from "../../train/diloco/inner-steps.ts";
import { parameterTensors, readParameterTensors } from "../../train/parameter-file.ts";
import { boundedList } from "../../util/bounded-list.ts";
import { getJson } from "../store/checked-file.ts";
import { storedFileSchema } from "../store/key.ts";
import { putTensors, readTensors } from "../store/tensors.ts";
import { checked } from "./payload.ts";
import { sentBatchesSchema, sentConfigSchema, type TrainingJob } from "./training-job.ts";

const workSchema = z.strictObject({
  config: sentConfigSchema,
  /** Where all parts of the round begin. */
  parameters: storedFileSchema,
  /** What the part's last round left; null before its first. */
  state: storedFileSchema.nullable(),
  /** Steps that its moments have seen. */
  momentSteps: z.int().min(0),
  /** The run's steps before this round. */
  step: z.int().min(0),
  /** JSON: `sentBatchesSchema`. */
  batches: storedFileSchema,
});
export type InnerStepsWork = Readonly<z.infer<typeof workSchema>>;

const resultSchema = z.strictObject({
  delta: storedFileSchema,
  /** Safetensors, float32: moments `first.<name>`, `second.<name>`, and `lost.<name>`, what rounding kept back of the deltas. */
  state: storedFileSchema,
  steps: boundedList(
    z.strictObject({
      epoch: z.int().min(0),
      loss: z.number(),
      forwardKl: z.number(),
      reverseKl: z.number(),
      scorerDistance: z.number(),
      keep: z.number(),
      gradientNorm: z.number(),
      learningRate: z.number(),
      tokens: z.int().min(1),
    }),
  ),
});
export type InnerStepsResult = Readonly<z.infer<typeof resultSchema>>;

/** What one part of the data does in a round of `diloco`. */
export const INNER_STEPS_JOB: TrainingJob<InnerStepsWork, InnerStepsResult> = {
  name: "diloco",
  work: workSchema,
  result: resultSchema,
  run: async (work, { store, folder, scratch, training, signal }) => {
    const config = parseTrainConfig(work.config, "the job's settings");
    const batches = checked(sentBatchesSchema, await getJson(store, work.batches), work.batches.key);
    const bench = training();
    const engine = await bench.engine(config);
    const start = await bench.parameters(work.parameters);
    const { lost, ...moments } =
      work.state === null
        ? { ...zeroMoments(start), lost: new Map() }
        : await readTensors(store, work.state, scratch, async (file) => ({
            first: await readParameterTensors(file, "first."),
            second: await readParameterTensors(file, "second."),
            lost: await readParameterTensors(file, "lost."),
          }));
    const { delta, steps } = await innerSteps({
      gradients: gradientsOn(engine),
      config,
      start,
      moments,
      momentSteps: work.momentSteps,
      lost,
      step: work.step,
      batches,
      signal,
    });
    const encoded = encodeDelta(delta, config.deltas);
    const state = [
      ...parameterTensors("first.", moments.first),
      ...parameterTensors("second.", moments.second),
      ...parameterTensors("lost.", encoded.lost),
    ];
    return {
      delta: await putTensors(store, `${folder}/results`, encoded.tensors, scratch),
      state: await putTensors(store, `${folder}/results`, state, scratch),
      steps: [...steps],
    };
  },
};
