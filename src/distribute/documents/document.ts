import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { z } from "zod";
import { obtainedKeep, slotsOf } from "../../cache/kv-cache.ts";
import { saveKvd } from "../../cache/save-kvd.ts";
import { compress } from "../../compress/compress-text.ts";
import type { LoadedAdapter } from "../../compress/loaded-adapter.ts";
import { SAVED_METHOD_NAMES } from "../../compress/methods/index.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import { fileDigest } from "../../models/loading/file-digest.ts";
import { boundedList } from "../../util/bounded-list.ts";
import { failureSchema } from "../jobs/payload.ts";

const count = z.int().min(0);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "not a sha256");

/** How the documents of a folder are compressed, all alike. */
export const documentSettingsSchema = z.strictObject({
  keep: z.union([z.number().gt(0).max(1), z.strictObject({ tokens: count }), z.strictObject({ bytes: count })]),
  method: z.enum(SAVED_METHOD_NAMES as unknown as [string]),
  fold: z.union([z.boolean(), z.int().min(1)]),
  marked: z.boolean(),
  seed: count,
});
export type DocumentSettings = Readonly<z.infer<typeof documentSettingsSchema>>;

/** What became of a document's cache. */
export const cacheFactsSchema = z.strictObject({
  /** Of the .kvd file. */
  sha256,
  bytes: count,
  /** Of the document, with the template's header. */
  tokens: z.int().min(1),
  rows: z.int().min(1),
  /** Part of the compressed span that was kept. */
  kept: z.number().gt(0).max(1),
  /** What a person should know of it. */
  warnings: boundedList(z.string()).optional(),
});
export type CacheFacts = Readonly<z.infer<typeof cacheFactsSchema>>;

/** A line of documents.jsonl (docs/distributing.md). */
export const documentLineSchema = z.union([
  z.strictObject({
    /** Path below the folder, with slashes. */
    document: z.string(),
    /** Of the document's text, UTF-8. */
    text: sha256,
    cache: z.string(),
    ...cacheFactsSchema.shape,
  }),
  z.strictObject({ document: z.string(), text: sha256.nullable(), failure: failureSchema }),
]);
export type DocumentLine = Readonly<z.infer<typeof documentLineSchema>>;

export function textDigest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Where a document's cache goes, below the folder of caches: whole names, since two documents may differ in their endings alone. */
export function cacheNameOf(document: string): string {
  return `${document}.kvd`;
}

/**
 * Compresses one document to a file.
 * @throws KvDistillError as `compress` and `saveKvd`
 */
export async function compressDocument(
  model: LanguageModel,
  text: string,
  { method, ...settings }: DocumentSettings,
  adapter: LoadedAdapter | undefined,
  path: string,
  signal: AbortSignal | undefined,
): Promise<CacheFacts> {
  const warnings: string[] = [];
  const cache = await compress(model, text, {
    ...settings,
    method,
    onWarning: (warning) => warnings.push(warning),
    ...(method === "kv-distill" && adapter !== undefined ? { adapter } : {}),
    ...(signal === undefined ? {} : { signal }),
  });
  signal?.throwIfAborted();
  await saveKvd(path, cache);
  const rows = slotsOf(cache);
  return {
    sha256: await fileDigest(path),
    bytes: (await stat(path)).size,
    tokens: cache.contextLength,
    rows,
    kept: obtainedKeep(cache),
    ...(warnings.length === 0 ? {} : { warnings }),
  };
}
