/** The library: load a model, compress a context, answer from the cache. */
export { type Adapter, type AdapterConfig } from "./cache/adapter.ts";
export { type KvCache } from "./cache/kv-cache.ts";
export { loadAdapter } from "./cache/load-adapter.ts";
export { describeKvd, loadKvd, verifyKvd } from "./cache/load-kvd.ts";
export { saveKvd } from "./cache/save-kvd.ts";
export { type CompressOptions, compressIds } from "./compress/compress.ts";
export { compress, type CompressTextOptions, type Keep } from "./compress/compress-text.ts";
export { attachAdapter, type LoadedAdapter } from "./compress/loaded-adapter.ts";
export { METHOD_NAMES, methodNamed } from "./compress/methods/index.ts";
export { answer, fullCache, generate, type GenerateOptions, readingCache } from "./generate/generate.ts";
export { LanguageModel } from "./models/language-model.ts";
export { loadModel, type LoadModelOptions, passagePromptOf } from "./models/load-model.ts";
export { pull, type PullOptions, type PullResult } from "./models/pull/pull.ts";
export { type TrainConfig, parseTrainConfig } from "./train/config.ts";
export { train, type StepReport } from "./train/trainer.ts";
export { isKvDistillError, KvDistillError, type ErrorCode } from "./util/errors.ts";
