import type { ModelFiles } from "../../models/model-files.ts";
import type { Program, Runtime } from "../../runtime/runtime.ts";
import type { TrainConfig } from "../config.ts";
import { isRagged, scoreColumnsOf, type StepEngine } from "./engine.ts";
import { loadTrainingPrograms, type SplitProgram } from "./programs.ts";
import { loadTrainingWeights, type TrainingWeights } from "./weights.ts";

/**
 * Compiles the graphs of a run's steps. Weights that are loaded already serve any run of the model.
 * @throws KvDistillError `out-of-memory`, `disk`, `engine`
 */
export async function openStepEngine(
  runtime: Runtime,
  files: ModelFiles,
  config: TrainConfig,
  weights?: TrainingWeights,
): Promise<StepEngine> {
  const shape = { rank: config.rank, scale: config.alpha / Math.sqrt(config.rank) };
  const columns = scoreColumnsOf(config, files.config);
  return {
    runtime,
    config: files.config,
    programs: await loadTrainingPrograms(runtime, files.config, shape, config.lambda, columns, {
      observed: config.scorerLoss > 0,
      ragged: isRagged(config),
    }),
    weights: weights ?? (await loadTrainingWeights(runtime, files)),
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
