import { adapterHash } from "../cache/adapter-hash.ts";
import type { AskedKeep, KvCache } from "../cache/kv-cache.ts";
import { contextLimit } from "../models/config.ts";
import type { HostLayer } from "../models/layer-cache.ts";
import type { LanguageModel } from "../models/language-model.ts";
import { KvDistillError } from "../util/errors.ts";
import { PACKAGE_NAME_AND_VERSION } from "../util/version.ts";
import { rowsFor } from "./budget.ts";
import { CompressionContext } from "./context.ts";
import { type Fold, folds } from "./fold.ts";
import type { LoadedAdapter } from "./loaded-adapter.ts";
import type { CompressedRows, CompressionMethod } from "./method.ts";

export interface CompressOptions {
  readonly method: CompressionMethod;
  /** The adapter that the method uses, if any: its hash goes into the cache. */
  readonly adapter?: LoadedAdapter;
  readonly keep: AskedKeep;
  /** Leading tokens that are always kept; METHOD section 1. */
  readonly sinks?: number;
  /** Compress fold by fold. Without it a context longer than the model reads is refused. */
  readonly fold?: boolean;
  readonly seed?: number;
  readonly signal?: AbortSignal;
  /** After each fold: tokens done so far. */
  readonly onProgress?: (tokens: number) => void;
}

const DEFAULT_SINKS = 4;

/**
 * Compresses a context to a cache that the unmodified model reads.
 * @throws KvDistillError `context-too-long` without `fold`, `bad-argument` for budget and span, and what the engine throws
 */
export async function compressIds(
  model: LanguageModel,
  ids: readonly number[],
  options: CompressOptions,
): Promise<KvCache> {
  const { method, adapter, keep, fold = false, seed = 0, signal, onProgress } = options;
  const sinks = adapter?.adapter.config.sinks ?? options.sinks ?? DEFAULT_SINKS;
  const { config, files } = model;
  if (ids.length === 0) throw new KvDistillError("bad-argument", "there is nothing to compress", { where: "context" });
  const limit = contextLimit(config);
  if (ids.length > limit && !fold) {
    throw new KvDistillError("context-too-long", "the context is longer than the model reads", {
      where: files.name,
      expected: `at most ${limit} tokens`,
      got: String(ids.length),
      hint: "compress it fold by fold (--fold)",
    });
  }
  const count = rowsFor(keep, ids.length, sinks, config);
  const pieces: Fold[] = fold ? folds(ids.length, count, sinks) : [{ start: 0, end: ids.length, count, sinks }];
  const parts: CompressedRows[] = [];
  for (const piece of pieces) {
    const context = new CompressionContext(model, ids.slice(piece.start, piece.end), {
      position: piece.start,
      ...(signal === undefined ? {} : { signal }),
    });
    parts.push(await method.compress({ context, count: piece.count, sinks: piece.sinks, seed }));
    onProgress?.(piece.end);
  }
  return {
    layers: Array.from({ length: config.numLayers }, (_, layer) => joinLayers(parts, layer, config.numKvHeads)),
    numKvHeads: config.numKvHeads,
    headDim: config.headDim,
    ...joinTokens(parts, pieces),
    tokenIds: Int32Array.from(ids),
    contextLength: ids.length,
    provenance: {
      modelName: files.name,
      modelHash: files.hash,
      tokenizerHash: files.tokenizerHash,
      adapterHash: adapter === undefined ? "none" : adapterHash(adapter.adapter),
      method: method.name,
      span: { start: 0, end: ids.length },
      asked: keep,
      createdBy: PACKAGE_NAME_AND_VERSION,
    },
  };
}

/** Rows of one layer, fold after fold, [kvHeads, slots, headDim]. */
function joinLayers(parts: readonly CompressedRows[], layer: number, kvHeads: number): HostLayer {
  const join = (of: (part: HostLayer) => Float32Array): Float32Array<ArrayBuffer> => {
    const sources = parts.flatMap((part) => {
      const own = part.layers[layer];
      return own === undefined ? [] : [of(own)];
    });
    const joined = new Float32Array(sources.reduce((sum, source) => sum + source.length, 0));
    let offset = 0;
    for (let head = 0; head < kvHeads; head++) {
      for (const source of sources) {
        const width = source.length / kvHeads;
        joined.set(source.subarray(head * width, (head + 1) * width), offset);
        offset += width;
      }
    }
    return joined;
  };
  return { keys: join(({ keys }) => keys), values: join(({ values }) => values) };
}

/** Positions and scores, fold after fold within every head; shared when all folds are. */
function joinTokens(parts: readonly CompressedRows[], pieces: readonly Fold[]): Pick<KvCache, "positions" | "scores"> {
  const entries = Math.max(...parts.map(({ positions }) => positions.length));
  const flat = (of: (part: CompressedRows, fold: number, entry: number) => ArrayLike<number>): number[] =>
    Array.from({ length: entries }, (_, entry) =>
      parts.flatMap((part, fold) => Array.from(of(part, fold, part.positions.length === 1 ? 0 : entry))),
    ).flat();
  const positions = flat(({ positions: own }, fold, entry) =>
    (own[entry] ?? new Int32Array()).map((position) => position + (pieces[fold]?.start ?? 0)),
  );
  const scored = parts.every(({ scores }) => scores !== undefined);
  return {
    positions: Int32Array.from(positions),
    ...(scored ? { scores: Float32Array.from(flat(({ scores }, _, entry) => scores?.[entry] ?? [])) } : {}),
  };
}
