import {
  checkKvdModel,
  type ExpectedModel,
  type KvdDescription,
  type KvdHeader,
  readKvdCache,
  readKvdHeader,
} from "../cache/decode-kvd.ts";
import { encodeKvd, type EncodeKvdOptions } from "../cache/encode-kvd.ts";
import type { KvCache } from "../cache/kv-cache.ts";
import type { ReadableFile } from "../util/read-range.ts";
import { blobFile } from "./blob-file.ts";
import { fetchFile, pageUrl } from "./fetch-file.ts";

/** A `.kvd` file: its bytes, a Blob (what a file input gives is one), or its address. */
export type KvdSource = ArrayBuffer | Uint8Array<ArrayBuffer> | Blob | string | URL;

/**
 * Loads a `.kvd` file, all of it or nothing. With `expectModel` (a model's `files` will do), another model's cache is refused.
 * @throws KvDistillError `not-found`, `network`, `bad-file`, `too-large`, `unsupported`, `checksum-mismatch`, `model-mismatch`, `out-of-memory`
 */
export async function loadKvd(
  source: KvdSource,
  { expectModel }: { readonly expectModel?: ExpectedModel } = {},
): Promise<KvCache> {
  const { file, header } = await open(source);
  const cache = await readKvdCache(file, header);
  if (expectModel !== undefined) checkKvdModel(header.description, expectModel);
  return cache;
}

/**
 * What a `.kvd` file's header says; nothing of the data is verified.
 * @throws KvDistillError as `loadKvd`
 */
export async function describeKvd(source: KvdSource): Promise<KvdDescription> {
  return (await open(source)).header.description;
}

/**
 * A cache as a `.kvd` file to download or keep.
 * @throws KvDistillError `shape-mismatch`, `not-finite`
 */
export async function kvdBlob(cache: KvCache, options: EncodeKvdOptions = {}): Promise<Blob> {
  const pieces = (await encodeKvd(cache, "cache", options)) as Uint8Array<ArrayBuffer>[];
  return new Blob(pieces, { type: "application/octet-stream" });
}

async function open(source: KvdSource): Promise<{ readonly file: ReadableFile; readonly header: KvdHeader }> {
  const named = typeof source === "string" || source instanceof URL;
  const where = named ? pageUrl(source).href : "cache";
  const blob = named ? await (await fetchFile(where)).blob() : source instanceof Blob ? source : new Blob([source]);
  const file = blobFile(blob);
  return { file, header: await readKvdHeader(file, blob.size, where) };
}
