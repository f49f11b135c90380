import { elementCount } from "../../tensor/tensor.ts";
import { quote } from "../../util/quote.ts";
import { readRange } from "../../util/read-range.ts";
import { withFile } from "../../util/with-file.ts";
import type { ModelConfig } from "../config.ts";
import { weightBytes, type WeightLocation } from "../model-files.ts";
import type { ModelReporter } from "../progress.ts";
import { modelHash, weightDigest } from "./model-hash.ts";
import { rememberedHash } from "./remembered.ts";

/**
 * The hash of a model whose weights lie on disk as float32; read through once, then remembered.
 * @throws KvDistillError `not-found`, `disk`, `bad-file` (a file became shorter).
 */
export async function hashModel(
  config: ModelConfig,
  weights: ReadonlyMap<string, WeightLocation>,
  item: string,
  reporter: ModelReporter,
): Promise<string> {
  const files = [...new Set([...weights.values()].map(({ file }) => file))];
  const what = `weights of a model, version 1: ${JSON.stringify([config, [...weights]])}`;
  return rememberedHash(what, files, () => hashNow(config, weights, item, reporter), reporter);
}

async function hashNow(
  config: ModelConfig,
  weights: ReadonlyMap<string, WeightLocation>,
  item: string,
  reporter: ModelReporter,
): Promise<string> {
  const total = weightBytes(weights);
  let done = 0;
  const digests = new Map<string, { dims: readonly number[]; digest: string }>();
  for (const [name, { file, offset, dims }] of weights) {
    const length = 4 * elementCount(dims);
    const values = await withFile(file, (handle) =>
      readRange(handle, offset, length, `${file}: tensor ${quote(name)}`),
    );
    digests.set(name, { dims, digest: weightDigest(values) });
    done += length;
    reporter.onProgress?.({ step: "hash", item, done, total });
  }
  return modelHash(config, digests);
}
