import type { Adapter } from "../cache/adapter.ts";
import {
  ADAPTER_LIMITS,
  type LoadAdapterOptions,
  MAX_JSON_BYTES,
  parseSmallJson,
  readAdapter,
} from "../cache/read-adapter.ts";
import type { FloatFile } from "../cache/read-adapter-tensors.ts";
import { floatsFromBytes, readEntryBytes } from "../formats/safetensors/decode.ts";
import { readSafetensorsHeader } from "../formats/safetensors/read-header.ts";
import { KvDistillError } from "../util/errors.ts";
import { quote } from "../util/quote.ts";
import { decodeUtf8 } from "../util/utf8.ts";
import { blobFile } from "./blob-file.ts";
import { pageUrl } from "./fetch-file.ts";
import { storedFile } from "./storage.ts";

/**
 * Loads an adapter folder by its address; its files are fetched once and then lie in the browser's storage.
 * @throws KvDistillError as `readAdapter` and `storedFile`
 */
export async function loadAdapter(address: string | URL, options: LoadAdapterOptions = {}): Promise<Adapter> {
  const { href } = pageUrl(address);
  const folder = href.endsWith("/") ? href : `${href}/`;
  const fileOf = async (name: string): Promise<{ readonly url: string; readonly blob: Blob }> => {
    const url = new URL(name, folder).href;
    return { url, blob: await storedFile(url) };
  };
  const open = async (name: string): Promise<FloatFile> => {
    const { url, blob } = await fileOf(name);
    const file = blobFile(blob);
    return {
      file: await readSafetensorsHeader(file, blob.size, url, ADAPTER_LIMITS),
      floats: async (entry) =>
        floatsFromBytes(await readEntryBytes(file, entry), entry.dtype, `${url}: tensor ${quote(entry.name)}`),
    };
  };
  return readAdapter(
    {
      where: folder,
      json: async (name) => {
        const { url, blob } = await fileOf(name);
        if (blob.size > MAX_JSON_BYTES) {
          throw new KvDistillError("too-large", "the file is over the limit", {
            where: url,
            expected: `at most ${MAX_JSON_BYTES} bytes`,
            got: blob.size.toString(),
          });
        }
        return parseSmallJson(decodeUtf8(new Uint8Array(await blob.arrayBuffer()), url), url);
      },
      tensors: async () => ({
        lora: await open("adapter_model.safetensors"),
        scorer: await open("scorer.safetensors"),
      }),
    },
    options,
  );
}
