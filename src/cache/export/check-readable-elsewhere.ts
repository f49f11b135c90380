import { KvDistillError } from "../../util/errors.ts";
import { isRaggedCache, type KvCache, nextPositionOf } from "../kv-cache.ts";

/**
 * Other programs hold equally many rows for every head of a cache, and go on reading after the context's last token.
 * @throws KvDistillError `unsupported` when heads hold different numbers, or reading goes on elsewhere
 */
export function checkReadableElsewhere(cache: KvCache, where: string): void {
  if (isRaggedCache(cache)) {
    throw new KvDistillError(
      "unsupported",
      "heads of the cache hold different numbers of rows, which other programs cannot read",
      {
        where,
        got: `a cache made by ${cache.provenance.method}`,
        hint: "compress the text again with --exportable",
      },
    );
  }
  if (nextPositionOf(cache) === cache.contextLength) return;
  throw new KvDistillError("unsupported", "reading goes on where other programs would not", {
    where,
    expected: `position ${cache.contextLength}, after the context`,
    got: `position ${nextPositionOf(cache)}`,
    hint: "compress the text again with --exportable",
  });
}
