import { z } from "zod";
import { microBatchGradients } from "../../train/accumulate.ts";
import { parseTrainConfig } from "../../train/config.ts";
import { parameterTensors } from "../../train/parameter-file.ts";
import { loadParameters } from "../../train/parameters.ts";
import { getJson } from "../store/checked-file.ts";
import { storedFileSchema } from "../store/key.ts";
import { putTensors } from "../store/tensors.ts";
import { checked } from "./payload.ts";
import { sentConfigSchema, sentItemsSchema, type TrainingJob } from "./training-job.ts";

const workSchema = z.strictObject({
  config: sentConfigSchema,
  parameters: storedFileSchema,
  /** Turns of the whole optimiser step. */
  turnCount: z.int().min(1),
  /** JSON: `sentItemsSchema`, one micro-batch. */
  items: storedFileSchema,
});
export type GradientsWork = Readonly<z.infer<typeof workSchema>>;

const resultSchema = z.strictObject({
  loss: z.number(),
  forwardKl: z.number(),
  reverseKl: z.number(),
  scorerDistance: z.number(),
  tokens: z.int().min(1),
  /** Safetensors, float32. */
  gradients: storedFileSchema,
});
export type GradientsResult = Readonly<z.infer<typeof resultSchema>>;

/** Loss and gradients of one micro-batch. */
export const GRADIENTS_JOB: TrainingJob<GradientsWork, GradientsResult> = {
  name: "gradients",
  work: workSchema,
  result: resultSchema,
  run: async ({ config, parameters, turnCount, items: file }, { store, folder, scratch, training }) => {
    const items = checked(sentItemsSchema, await getJson(store, file), file.key);
    const bench = training();
    const engine = await bench.engine(parseTrainConfig(config, "the job's settings"));
    const loaded = await loadParameters(engine.runtime, await bench.parameters(parameters));
    try {
      const { gradients, ...numbers } = await microBatchGradients(engine, loaded, items, turnCount);
      const sent = await putTensors(store, `${folder}/results`, parameterTensors("", gradients), scratch);
      return { ...numbers, gradients: sent };
    } finally {
      loaded.release();
    }
  },
};
