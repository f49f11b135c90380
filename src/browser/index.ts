/** The library in a browser, without a server: load a model by its address, compress a context, answer from the cache. */
export { type Adapter, type AdapterConfig } from "../cache/adapter.ts";
export { type KvdDescription } from "../cache/decode-kvd.ts";
export { type KvCache, slotsOf } from "../cache/kv-cache.ts";
export { type CompressTextOptions, type Keep } from "../compress/compress-context.ts";
export { attachAdapter, type LoadedAdapter } from "../compress/loaded-adapter.ts";
export { METHOD_NAMES } from "../compress/methods/index.ts";
export { answer, fullCache, generate, type GenerateOptions, readingCache } from "../generate/generate.ts";
export { passagePromptOf } from "../models/passage-prompt-of.ts";
export { type ModelProgress } from "../models/progress.ts";
export { type ErrorCode, isKvDistillError, KvDistillError } from "../util/errors.ts";
export { compress } from "./compress.ts";
export { type BrowserDevice, chooseDevice, type DeviceChoice, type DeviceOptions } from "./device.ts";
export { describeKvd, kvdBlob, type KvdSource, loadKvd } from "./kvd.ts";
export { loadAdapter } from "./load-adapter.ts";
export { BrowserModel, loadModel, type LoadModelOptions } from "./load-model.ts";
export { clearStorage } from "./storage.ts";
