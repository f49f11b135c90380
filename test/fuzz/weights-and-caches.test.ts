import { fuzzTests } from "./fuzz-tests.ts";
import { adapter } from "./targets/adapter.ts";
import { checkpoint, runFiles } from "./targets/checkpoint.ts";
import { ggufHeader, ggufModel } from "./targets/gguf.ts";
import { kvd } from "./targets/kvd.ts";
import { modelFiles } from "./targets/model-files.ts";
import { safetensorsFolder, safetensorsHeader } from "./targets/safetensors.ts";
import { tokenStore } from "./targets/store.ts";
import { trainingTensors } from "./targets/training-tensors.ts";

fuzzTests([
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
]);
