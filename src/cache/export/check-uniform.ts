import { KvDistillError } from "../../util/errors.ts";
import { isRaggedCache, type KvCache } from "../kv-cache.ts";

/**
 * Other programs hold equally many rows for every head of a cache.
 * @throws KvDistillError `unsupported` when heads hold different numbers
 */
export function checkUniform(cache: KvCache, where: string): void {
  if (!isRaggedCache(cache)) return;
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
