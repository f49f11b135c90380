import type { Target } from "../target.ts";
import { adapter } from "./adapter.ts";
import { checkpoint, runFiles } from "./checkpoint.ts";
import { distributedFiles } from "./distributed-files.ts";
import { evaluationConfig, evaluationLines, evaluationRun } from "./evaluation.ts";
import { ggufHeader, ggufModel } from "./gguf.ts";
import { http } from "./http.ts";
import { kvd } from "./kvd.ts";
import { modelFiles, pulledModels } from "./model-files.ts";
import { queuePayload, storedWork } from "./queue.ts";
import { safetensorsFolder, safetensorsHeader } from "./safetensors.ts";
import { sharedRuns } from "./shared-runs.ts";
import { smallFiles, strictJson } from "./small-files.ts";
import { parquet, rowReaders, sources } from "./sources.ts";
import { tokenStore } from "./store.ts";
import { chatTemplate, promptTemplates } from "./templates.ts";
import { modelConfig, tokenizerJson } from "./tokenizer.ts";
import { trainingTensors } from "./training-tensors.ts";

/** Targets whose tests run in a file of their own (fuzz-tests.ts). */
export const WEIGHTS: readonly Target[] = [
  ggufHeader,
  ggufModel,
  safetensorsHeader,
  safetensorsFolder,
  kvd,
  adapter,
  tokenStore,
  checkpoint,
  runFiles,
  trainingTensors,
  modelFiles,
];

/** Every parser of what comes from outside. A target's place is its stream of dice: new ones go to the end. */
export const TARGETS: readonly Target[] = [
  ggufHeader,
  ggufModel,
  safetensorsHeader,
  safetensorsFolder,
  kvd,
  adapter,
  tokenizerJson,
  modelConfig,
  chatTemplate,
  promptTemplates,
  sources,
  parquet,
  rowReaders,
  tokenStore,
  checkpoint,
  runFiles,
  evaluationRun,
  evaluationLines,
  strictJson,
  smallFiles,
  http,
  queuePayload,
  storedWork,
  distributedFiles,
  trainingTensors,
  modelFiles,
  pulledModels,
  evaluationConfig,
  sharedRuns,
];
