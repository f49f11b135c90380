import { dequantize } from "../formats/gguf/dequantize.ts";
import { type GgufFile, parseGgufHeader } from "../formats/gguf/header.ts";
import { GGUF_LIMITS } from "../formats/gguf/limits.ts";
import { floatsFromBytes, readEntryBytes } from "../formats/safetensors/decode.ts";
import { SAFETENSORS_LIMITS } from "../formats/safetensors/limits.ts";
import { readSafetensorsHeader, type SafetensorsEntry } from "../formats/safetensors/read-header.ts";
import { joinShards, parseWeightMap } from "../formats/safetensors/shard-index.ts";
import { describeGguf } from "../models/gguf/describe-gguf.ts";
import { type ModelSource, TEXT_FILES, type TextFile } from "../models/loading/model-source.ts";
import { isKvDistillError, KvDistillError } from "../util/errors.ts";
import { quote } from "../util/quote.ts";
import { readRange } from "../util/read-range.ts";
import { decodeUtf8 } from "../util/utf8.ts";
import { blobFile } from "./blob-file.ts";

/** Fetches a file, or has it stored. */
export type FetchBlob = (url: string) => Promise<Blob>;

/**
 * A .gguf file by its address.
 * @throws KvDistillError `bad-file`, `too-large`, `unsupported`, and what `fetchBlob` throws
 */
export async function ggufSource(url: string, fetchBlob: FetchBlob): Promise<ModelSource> {
  const blob = await fetchBlob(url);
  const file = blobFile(blob);
  return describeGguf(await ggufHeader(blob, url), async (tensor) => {
    const where = `${url}: tensor ${quote(tensor.name)}`;
    return dequantize(tensor.type, await readRange(file, tensor.offset, tensor.byteLength, where), where);
  });
}

/** Thrown and caught here: the header goes on behind what is in memory. */
class HeaderGoesOn extends Error {}

/** A header is read in place, so its bytes have to be in memory: twice as many each time that they do not suffice. */
async function ggufHeader(blob: Blob, url: string): Promise<GgufFile> {
  for (let length = 1 << 24; ; length *= 2) {
    const head = new Uint8Array(await blob.slice(0, length).arrayBuffer());
    const read = (offset: number, count: number): Uint8Array => {
      if (offset + count > head.length) throw new HeaderGoesOn();
      return head.subarray(offset, offset + count);
    };
    try {
      return parseGgufHeader({ size: blob.size, read }, url, GGUF_LIMITS);
    } catch (error) {
      if (!(error instanceof HeaderGoesOn)) throw error;
    }
  }
}

/**
 * A Hugging Face model folder by its address, which ends with a slash: config.json, tokenizer.json and safetensors weights, single or sharded.
 * @throws KvDistillError `not-found`, `bad-file`, `too-large`, `unsupported`, and what `fetchBlob` throws
 */
export async function folderSource(folder: string, fetchBlob: FetchBlob): Promise<ModelSource> {
  const urlOf = (name: string): string => new URL(encodeURIComponent(name), folder).href;
  const texts = new Map<TextFile, string>();
  for (const name of TEXT_FILES) {
    const required = name === "config.json" || name === "tokenizer.json";
    const blob = required ? await fetchBlob(urlOf(name)) : await optional(fetchBlob(urlOf(name)));
    if (blob !== undefined) texts.set(name, await textOf(blob, urlOf(name)));
  }
  const blobs = new Map<string, Blob>();
  const open = async (name: string, blob: Blob): Promise<ReadonlyMap<string, SafetensorsEntry>> => {
    const url = urlOf(name);
    blobs.set(url, blob);
    return (await readSafetensorsHeader(blobFile(blob), blob.size, url)).entries;
  };
  const entries = await openWeights();
  return {
    where: folder,
    texts,
    weights: [...entries].map(([name, entry]) => ({
      name,
      dims: entry.shape,
      location: undefined,
      read: async () => {
        const bytes = await readEntryBytes(blobFile(blobs.get(entry.file) ?? new Blob([])), entry);
        return floatsFromBytes(bytes, entry.dtype, `${entry.file}: tensor ${quote(name)}`);
      },
    })),
    files: [...blobs.keys()],
  };

  async function openWeights(): Promise<ReadonlyMap<string, SafetensorsEntry>> {
    const single = await optional(fetchBlob(urlOf("model.safetensors")));
    if (single !== undefined) return open("model.safetensors", single);
    const index = urlOf("model.safetensors.index.json");
    const text = await textOf(await fetchBlob(index), index);
    const weightMap = parseWeightMap(text, index, SAFETENSORS_LIMITS.maxTensors);
    const opened = new Map<string, ReadonlyMap<string, SafetensorsEntry>>();
    for (const shard of [...new Set(weightMap.values())].sort()) {
      opened.set(shard, await open(shard, await fetchBlob(urlOf(shard))));
    }
    return joinShards(weightMap, opened, index);
  }
}

/** The largest tokenizer.json in use is about 35 MB. */
const MAX_TEXT_BYTES = 1 << 27;

async function textOf(blob: Blob, url: string): Promise<string> {
  if (blob.size > MAX_TEXT_BYTES) {
    throw new KvDistillError("too-large", "the file is over the limit", {
      where: url,
      expected: `at most ${MAX_TEXT_BYTES} bytes`,
      got: blob.size.toString(),
    });
  }
  return decodeUtf8(new Uint8Array(await blob.arrayBuffer()), url);
}

async function optional(fetched: Promise<Blob>): Promise<Blob | undefined> {
  try {
    return await fetched;
  } catch (error) {
    if (isKvDistillError(error) && error.code === "not-found") return undefined;
    throw error;
  }
}
