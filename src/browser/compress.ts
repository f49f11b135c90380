import type { KvCache } from "../cache/kv-cache.ts";
import { compressContext, type CompressTextOptions } from "../compress/compress-context.ts";
import type { LanguageModel } from "../models/language-model.ts";
import type { PromptMessage } from "../models/passage-prompt.ts";
import { KvDistillError } from "../util/errors.ts";

/**
 * Compresses a document, or a conversation with a marked part, in the page: nothing of it leaves the browser.
 * @throws KvDistillError as `compressContext`; `not-found` for kv-distill without an adapter, which no page has by itself
 */
export function compress(
  model: LanguageModel,
  context: string | readonly PromptMessage[],
  options: CompressTextOptions,
): Promise<KvCache> {
  return compressContext(model, context, options, ({ name }) =>
    Promise.reject(
      new KvDistillError("not-found", "kv-distill needs an adapter", {
        where: name,
        hint: "serve the package's folder `adapters` and give what loadAdapter() makes of it, or choose a method that needs none",
      }),
    ),
  );
}
