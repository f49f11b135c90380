import { describeModel } from "../models/loading/describe.ts";
import { matchWeights } from "../models/loading/match-weights.ts";
import { modelHash } from "../models/loading/model-hash.ts";
import type { ModelSource } from "../models/loading/model-source.ts";
import { LanguageModel } from "../models/language-model.ts";
import type { ModelFiles } from "../models/model-files.ts";
import type { ModelReporter } from "../models/progress.ts";
import type { Resident } from "../runtime/residents.ts";
import type { Runtime } from "../runtime/runtime-over.ts";
import { elementCount, tensor } from "../tensor/tensor.ts";
import { bytesToHex } from "../util/bytes.ts";
import { KvDistillError } from "../util/errors.ts";
import { chooseDevice, type DeviceChoice, type DeviceOptions } from "./device.ts";
import { pageUrl } from "./fetch-file.ts";
import { type FetchBlob, folderSource, ggufSource } from "./model-source.ts";
import { createBrowserRuntime, type WorkerOptions } from "./runtime.ts";
import { storedFile } from "./storage.ts";

export interface LoadModelOptions extends DeviceOptions, WorkerOptions, ModelReporter {
  /** What the model is called in caches and messages; by default the last part of its address. */
  readonly name?: string;
  /** sha256 in hex of a .gguf file, checked when it is fetched. */
  readonly sha256?: string;
  readonly signal?: AbortSignal;
}

/** A model that runs in the page's worker. */
export class BrowserModel extends LanguageModel {
  /** The device that runs, and why that one. */
  readonly device: DeviceChoice;

  constructor(files: ModelFiles, runtime: Runtime, device: DeviceChoice) {
    super(files, runtime);
    this.device = device;
  }
}

/**
 * Loads a model: a .gguf file by its address, or a Hugging Face folder by that of the folder. Files are fetched once and then lie in the
 * browser's storage. Weights are held as float32 in the worker's memory.
 * @throws KvDistillError `not-found`, `network`, `bad-file`, `too-large`, `unsupported`, `checksum-mismatch`, `disk` (no room in the storage),
 * `device-unavailable`, `out-of-memory`, `cancelled`, `bad-argument`
 */
export async function loadModel(address: string | URL, options: LoadModelOptions = {}): Promise<BrowserModel> {
  const { sha256, signal, onProgress, onWarning, name } = options;
  const choice = await chooseDevice({
    ...(options.device && { device: options.device }),
    ...(options.threads !== undefined && { threads: options.threads }),
  });
  const runtime = await createBrowserRuntime(choice, options);
  try {
    const fetchBlob: FetchBlob = (url) =>
      storedFile(url, {
        onBytes: (done, total) => onProgress?.({ step: "download", item: url, done, total }),
        ...(onWarning && { onWarning }),
        ...(signal && { signal }),
        ...(sha256 !== undefined && url.endsWith(".gguf") && { sha256 }),
      });
    const url = pageUrl(address);
    const isGguf = url.pathname.toLowerCase().endsWith(".gguf");
    const source = isGguf ? await ggufSource(url.href, fetchBlob) : await folderSource(folderUrl(url), fetchBlob);
    const files = await placeWeights(runtime, source, { ...options, name: name ?? nameOf(url) });
    return new BrowserModel(files, runtime, choice);
  } catch (error) {
    await runtime.close();
    throw error;
  }
}

function folderUrl({ href }: URL): string {
  return href.endsWith("/") ? href : `${href}/`;
}

/** The last part of an address, without `.gguf`. */
function nameOf({ pathname, hostname }: URL): string {
  const last = pathname.split("/").findLast((part) => part !== "");
  return last === undefined ? hostname : decodeURIComponent(last).replace(/\.gguf$/i, "");
}

/** Converts every weight, sums it and hands it over to the worker; one at a time, so that only one is here. */
async function placeWeights(
  runtime: Runtime,
  source: ModelSource,
  { name, onProgress, signal }: LoadModelOptions & { readonly name: string },
): Promise<ModelFiles> {
  const { config, tokenizer, chatTemplate } = describeModel(source);
  const weights = matchWeights(config, source.weights, source.where);
  const total = [...weights.values()].reduce((sum, { dims }) => sum + 4 * elementCount(dims), 0);
  const residents = new Map<string, Resident>();
  const digests = new Map<string, { readonly dims: readonly number[]; readonly digest: string }>();
  let done = 0;
  for (const [weight, { dims, read }] of weights) {
    if (signal?.aborted === true) throw new KvDistillError("cancelled", "loading was cancelled", { where: name });
    const values = await read();
    digests.set(weight, { dims, digest: bytesToHex(new Uint8Array(await crypto.subtle.digest("SHA-256", values))) });
    residents.set(weight, await runtime.upload(tensor("float32", dims, values)));
    done += values.byteLength;
    onProgress?.({ step: "convert", item: name, done, total });
  }
  return {
    name,
    folder: source.where,
    config,
    tokenizer,
    chatTemplate,
    weights: new Map(),
    residents,
    hash: modelHash(config, digests),
    tokenizerHash: tokenizer.hash,
  };
}
