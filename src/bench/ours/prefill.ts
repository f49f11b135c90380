import { argmax } from "../../generate/sample.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import type { WorkRequest } from "../sides/protocol.ts";
import type { Done, Measure } from "../sides/serve.ts";

/** Reads a text into an empty cache, with the logits of its last token. */
export async function prefill(
  model: LanguageModel,
  { ids }: Extract<WorkRequest, { readonly work: "prefill" }>,
  measure: Measure,
): Promise<Done> {
  const { value, seconds } = await measure(async () => {
    const cache = await model.newCache();
    try {
      return (await model.forward({ ids, cache, logitRows: [ids.length - 1] })).data;
    } finally {
      cache.release();
    }
  });
  return { seconds, tokens: ids.length, check: { next: argmax(value) } };
}
