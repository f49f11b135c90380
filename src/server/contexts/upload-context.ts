import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { type KvCache, mostRowsOf } from "../../cache/kv-cache.ts";
import { loadKvd } from "../../cache/load-kvd.ts";
import { contextLimit } from "../../models/config.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import { syncFolder } from "../../util/atomic-file.ts";
import { diskError, isSystemError } from "../../util/disk-error.ts";
import { isKvDistillError, KvDistillError } from "../../util/errors.ts";
import { tempNameFor } from "../../util/temp-name.ts";
import type { Tenant } from "../access/tokens.ts";
import { boundedBody } from "../http/body.ts";
import { Refusal } from "../http/refusal.ts";
import type { Service } from "../service.ts";
import type { StoredContext } from "./store.ts";

/** What a client calls the file it sends. */
const UPLOAD = "upload";

/**
 * Takes a `.kvd` file over, all of it or nothing: received into a temporary file, verified whole, flushed, renamed.
 * @throws Refusal `bad-argument` without a length, `too-large`, `too-many`; KvDistillError as `loadKvd`, `model-mismatch` for shapes too
 */
export async function uploadContext(
  { store, limits, model }: Service,
  tenant: Tenant,
  request: Request,
  signal: AbortSignal,
): Promise<StoredContext> {
  const bytes = Number(request.headers.get("content-length") ?? NaN);
  if (!Number.isSafeInteger(bytes) || bytes < 1) {
    throw new Refusal("bad-argument", "the length of the file must be said: Content-Length");
  }
  if (bytes > limits.uploadBytes) {
    throw new Refusal("too-large", `the file has ${bytes} bytes, the limit is ${limits.uploadBytes}`);
  }
  return store.add(tenant, bytes, async (path) => {
    const temp = tempNameFor(path);
    try {
      await receive(temp, boundedBody(request, bytes, signal));
      checkFits(await loadUpload(temp, model), model);
      await rename(temp, path);
    } catch (error) {
      await rm(temp, { force: true }).catch(() => undefined);
      throw isSystemError(error) ? diskError(error, path, "cannot store the file") : error;
    }
    await syncFolder(dirname(path));
  });
}

async function receive(temp: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const file = await open(temp, "wx", 0o600);
  try {
    for await (const chunk of chunks) await file.writeFile(chunk);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Faults are told of the upload, not of a path on this machine. */
async function loadUpload(temp: string, model: LanguageModel): Promise<KvCache> {
  try {
    const { name, hash, tokenizerHash } = model.files;
    return await loadKvd(temp, { expectModel: { name, hash, tokenizerHash } });
  } catch (error) {
    if (!isKvDistillError(error) || error.code === "disk") throw error;
    const { faults, ...facts } = error.facts;
    const what = error.message.split("; expected")[0]?.split("\n")[0] ?? error.code;
    throw new KvDistillError(error.code, what.replaceAll(`${temp}: `, "").replaceAll(temp, UPLOAD), {
      ...facts,
      where: UPLOAD,
      ...(faults === undefined ? {} : { faults: faults.map((fault) => fault.replaceAll(temp, UPLOAD)) }),
      cause: error,
    });
  }
}

/** A file may claim any model's hash: what it holds must fit too. */
function checkFits(cache: KvCache, { config, files }: LanguageModel): void {
  const { numLayers, numKvHeads, headDim, vocabSize } = config;
  const faults: string[] = [];
  const expect = (what: string, got: number, wanted: number): void => {
    if (got !== wanted) faults.push(`${what}: ${got}, not ${wanted}`);
  };
  expect("layers", cache.layers.length, numLayers);
  expect("key/value heads", cache.numKvHeads, numKvHeads);
  expect("head size", cache.headDim, headDim);
  if (cache.tokenIds?.some((id) => id >= vocabSize) === true) faults.push("a token id outside the vocabulary");
  const limit = contextLimit(config);
  const rows = mostRowsOf(cache);
  if (rows >= limit) faults.push(`${rows} rows: the model reads fewer than ${limit}`);
  if (config.positions === "learned" && cache.contextLength >= limit)
    faults.push(`positions up to ${cache.contextLength}`);
  if (faults.length > 0) {
    throw new KvDistillError("model-mismatch", `the cache does not fit ${files.name}`, { where: UPLOAD, faults });
  }
}
