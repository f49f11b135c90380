import { loraScale } from "../../cache/adapter.ts";
import type { ModelFiles } from "../../models/model-files.ts";
import type { Program, Runtime } from "../../runtime/runtime.ts";
import type { TrainConfig } from "../config.ts";
import { exactEightBits } from "../../models/precision/probe-products.ts";
import { eightBitLayers } from "./eight-bit-layers.ts";
import { isRagged, scorerShapeFor, type StepEngine } from "./engine.ts";
import { loadTrainingPrograms, type SplitProgram } from "./programs.ts";
import { loadTrainingWeights, type TrainingWeights } from "./weights.ts";

/**
 * Compiles the graphs of a run's steps. Weights that are loaded already serve any run of the model in the same precision.
 * @throws KvDistillError `out-of-memory`, `disk`, `engine`
 */
export async function openStepEngine(
  runtime: Runtime,
  files: ModelFiles,
  config: TrainConfig,
  weights?: TrainingWeights,
): Promise<StepEngine> {
  const { rank, alpha, loraScale: scaling } = config;
  const shape = { rank, scale: loraScale({ rank, alpha, useRslora: scaling === "rank-stabilised" }) };
  const eightBits =
    config.precision === "int8" ? eightBitLayers(files.config, await exactEightBits(runtime)) : undefined;
  return {
    runtime,
    config: files.config,
    programs: await loadTrainingPrograms(
      runtime,
      files.config,
      shape,
      config.lambda,
      scorerShapeFor(config, files.config),
      {
        observed: config.scorerLoss > 0,
        ragged: isRagged(config),
        eightBits,
      },
    ),
    weights: weights ?? (await loadTrainingWeights(runtime, files, eightBits)),
    settings: config,
  };
}

/** Frees the graphs of an engine; its weights may serve another. */
export async function closePrograms({ programs }: Pick<StepEngine, "programs">): Promise<void> {
  const all = (Object.values(programs) as (Program | SplitProgram)[]).flatMap((program) =>
    "forward" in program ? [program.forward, program.backward] : [program],
  );
  await Promise.all(all.map((program) => program.close()));
}
