import { slotsOf } from "../../cache/kv-cache.ts";
import { compressIds } from "../../compress/compress.ts";
import type { LoadedAdapter } from "../../compress/loaded-adapter.ts";
import { kvDistill } from "../../compress/methods/kv-distill.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import type { WorkRequest } from "../sides/protocol.ts";
import type { Done, Measure } from "../sides/serve.ts";

/** Reads and compresses a text, whole or fold by fold. */
export async function compressing(
  model: LanguageModel,
  adapter: LoadedAdapter,
  { ids, keep, foldTokens }: Extract<WorkRequest, { readonly work: "compress" }>,
  measure: Measure,
): Promise<Done> {
  const { value, seconds } = await measure(() =>
    compressIds(model, ids, {
      method: kvDistill(adapter),
      adapter,
      keep: { kind: "fraction", value: keep },
      ...(foldTokens === null ? {} : { fold: foldTokens }),
    }),
  );
  return { seconds, tokens: ids.length, check: { rows: slotsOf(value) } };
}
