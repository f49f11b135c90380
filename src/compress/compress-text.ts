import type { Adapter } from "../cache/adapter.ts";
import type { KvCache } from "../cache/kv-cache.ts";
import { loadAdapter } from "../cache/load-adapter.ts";
import { findShippedAdapter } from "../cache/shipped-adapter.ts";
import type { LanguageModel } from "../models/language-model.ts";
import type { ModelFiles } from "../models/model-files.ts";
import type { PromptMessage } from "../models/passage-prompt.ts";
import { KvDistillError } from "../util/errors.ts";
import { compressContext, type CompressTextOptions } from "./compress-context.ts";

export { type CompressTextOptions, contextTokens, type Keep } from "./compress-context.ts";

/**
 * `compressContext` with the adapters that come with the package.
 * @throws KvDistillError as `compressContext` and `shippedAdapter`
 */
export function compress(
  model: LanguageModel,
  context: string | readonly PromptMessage[],
  options: CompressTextOptions,
): Promise<KvCache> {
  return compressContext(model, context, options, shippedAdapter);
}

/**
 * The adapter that comes with the package for a model; `exportable`: the one whose heads keep equally many rows.
 * @throws KvDistillError `not-found`, and as `loadAdapter`
 */
export async function shippedAdapter({ hash, name }: ModelFiles, { exportable = false } = {}): Promise<Adapter> {
  const folder = await findShippedAdapter(hash, { exportable });
  if (folder !== undefined) return loadAdapter(folder);
  throw new KvDistillError("not-found", "no adapter for kv-distill comes with the package for this model", {
    where: name,
    ...(exportable ? { expected: "one whose heads keep equally many rows" } : {}),
    hint: "name one (--adapter), train one (kv-distill train), or choose a method that needs none (--method streaming)",
  });
}
