import { fuzzTests } from "./fuzz-tests.ts";
import { adapter } from "./targets/adapter.ts";
import { checkpoint, runFiles } from "./targets/checkpoint.ts";
import { ggufHeader, ggufModel } from "./targets/gguf.ts";
import { kvd } from "./targets/kvd.ts";
import { safetensorsFolder, safetensorsHeader } from "./targets/safetensors.ts";
import { tokenStore } from "./targets/store.ts";

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
]);
