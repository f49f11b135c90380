/** The library: load a model, compress a context, answer from the cache. */
export { type Adapter, type AdapterConfig } from "./cache/adapter.ts";
export { type KvCache } from "./cache/kv-cache.ts";
export { loadAdapter } from "./cache/load-adapter.ts";
export { describeKvd, loadKvd, verifyKvd } from "./cache/load-kvd.ts";
export { saveKvd } from "./cache/save-kvd.ts";
export { type CompressOptions, compressIds } from "./compress/compress.ts";
export { compress, type CompressTextOptions, type Keep, shippedAdapter } from "./compress/compress-text.ts";
export { attachAdapter, type LoadedAdapter } from "./compress/loaded-adapter.ts";
export {
  METHOD_NAMES,
  methodNamed,
  QUESTION_AWARE_METHOD_NAMES,
  SAVED_METHOD_NAMES,
} from "./compress/methods/index.ts";
export { evaluate, type EvaluateOptions, type EvaluationResult } from "./evaluate/run/evaluate.ts";
export { fidelityTask } from "./evaluate/tasks/fidelity.ts";
export { longBenchTask } from "./evaluate/tasks/longbench.ts";
export { needleTask, type NeedleSettings } from "./evaluate/tasks/needle.ts";
export { qualityTask } from "./evaluate/tasks/quality.ts";
export { rulerTask, type RulerFiles, type RulerSettings } from "./evaluate/tasks/ruler/task.ts";
export { squadTask } from "./evaluate/tasks/squad.ts";
export { govreportTask, squalityTask } from "./evaluate/tasks/summaries.ts";
export { type Task } from "./evaluate/tasks/task.ts";
export { answer, fullCache, generate, type GenerateOptions, readingCache } from "./generate/generate.ts";
export { openModel } from "./models/open.ts";
export { LanguageModel } from "./models/language-model.ts";
export { loadModel, type LoadModelOptions, passagePromptOf } from "./models/load-model.ts";
export { pull, type PullOptions, type PullResult } from "./models/pull/pull.ts";
export {
  type ConversationBeginning,
  type LiveConversation,
  type MessageRun,
  startConversation,
} from "./server/conversations/start-conversation.ts";
export { settingsFrom } from "./train/check-run.ts";
export { type TrainConfig, parseTrainConfig } from "./train/config.ts";
export { runTraining, type TrainingRunOptions } from "./train/run.ts";
export { type StepReport } from "./train/trainer.ts";
export { isKvDistillError, KvDistillError, type ErrorCode } from "./util/errors.ts";
