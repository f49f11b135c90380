import type { Adapter } from "../../src/cache/adapter.ts";
import { attachAdapter } from "../../src/compress/loaded-adapter.ts";
import { compressIds } from "../../src/compress/compress.ts";
import { CompressionContext } from "../../src/compress/context.ts";
import { kvDistill, scoreTokens } from "../../src/compress/methods/kv-distill.ts";
import { takeKept } from "../../src/compress/rows.ts";
import { readingCache } from "../../src/generate/generate.ts";
import type { LanguageModel } from "../../src/models/language-model.ts";
import type { HostLayer } from "../../src/models/host-layer.ts";
import { LayerCache } from "../../src/models/layer-cache.ts";
import { randomAdapter } from "./random-adapter.ts";

/** Everything that inference computes on a device, by name. */
export type Results = Readonly<Record<string, ArrayLike<number>>>;

const context = Array.from({ length: 24 }, (_, i) => 2 + ((i * 97) % 280));
const question = context.slice(3, 9);
/** Rows that the gapped cache keeps. */
const kept = Int32Array.of(0, 1, 2, 5, 9, 10, 16, 22);

/** Prefill, decoding on a cache with gaps, encoding with an adapter whose heads keep equally many rows or not, scoring and attention, as the package itself does them. */
export async function everyInferenceGraph(model: LanguageModel): Promise<Results> {
  const results: Record<string, ArrayLike<number>> = {};
  const cache = await model.newCache();
  results.prefill = (await model.forward({ ids: context, cache, logitRows: [...context.keys()] })).data;
  const rows = await cache.download();
  results["rows of the prefill"] = flat(rows);

  const gapped = await LayerCache.from(
    model.runtime,
    model.config,
    takeKept(rows, model.config, [kept]),
    context.length,
  );
  for (const [step, id] of question.slice(0, 3).entries()) {
    results[`decode step ${step} on a gapped cache`] = (
      await model.forward({ ids: [id], cache: gapped, logitRows: [0] })
    ).data;
  }
  gapped.release();

  for (const reduction of ["sum", "max"] as const) {
    results[`attention received, ${reduction}`] = (await model.attentionReceived(question, cache, reduction)).flatMap(
      (own) => [...own],
    );
    cache.truncate(context.length, context.length);
  }
  cache.release();

  for (const selection of ["per-head", "across-heads"] as const) {
    for (const [what, result] of Object.entries(await compressed(model, randomAdapter(model, selection)))) {
      results[`${selection}: ${what}`] = result;
    }
  }
  return results;
}

/** The method with an adapter: scores, the selection, the encoded rows, and what the frozen model reads from them. */
async function compressed(model: LanguageModel, adapter: Adapter): Promise<Results> {
  const loaded = await attachAdapter(model, adapter);
  try {
    const scores = await scoreTokens(loaded, new CompressionContext(model, context));
    const cache = await compressIds(model, context, {
      method: kvDistill(loaded),
      adapter: loaded,
      keep: { kind: "tokens", value: 10 },
    });
    const reading = await readingCache(model, cache);
    const logits = await model.forward({ ids: question, cache: reading, logitRows: [...question.keys()] });
    reading.release();
    return {
      scores,
      "kept positions": cache.positions,
      "encoded rows": flat(cache.layers),
      "read from the compressed cache": logits.data,
    };
  } finally {
    loaded.release();
  }
}

function flat(layers: readonly HostLayer[]): Float32Array {
  return Float32Array.from(layers.flatMap(({ keys, values }) => [...keys, ...values]));
}
