import type { AskedKeep, KvCache } from "../cache/kv-cache.ts";
import { contextLimit } from "../models/config.ts";
import { allRowCounts, type HostLayer } from "../models/host-layer.ts";
import type { LanguageModel } from "../models/language-model.ts";
import { KvDistillError } from "../util/errors.ts";
import { PACKAGE_NAME_AND_VERSION } from "../util/version.ts";
import { compressPiece, pieceContext } from "./compress-piece.ts";
import { foldingOf } from "./fold.ts";
import { joinRows, type PlacedRows, placeRows } from "./join-rows.ts";
import type { LoadedAdapter } from "./loaded-adapter.ts";
import type { CompressedRows, CompressionMethod } from "./method.ts";
import { SAVED_METHOD_NAMES } from "./methods/index.ts";
import { nextPosition } from "./next-position.ts";
import { planCompression, type Span } from "./plan.ts";
import { readAfter } from "./read-after.ts";

/** How far a compression is. */
export interface CompressProgress {
  /** Tokens of the context that are through. */
  readonly tokens: number;
  /** Tokens of the context. */
  readonly total: number;
  /** The fold that is being worked on, from 1. */
  readonly fold: number;
  readonly folds: number;
}

export interface CompressOptions {
  readonly method: CompressionMethod;
  /** The adapter that the method uses, if any: its hash goes into the cache. */
  readonly adapter?: LoadedAdapter;
  /** The budget, for the span. */
  readonly keep: AskedKeep;
  /** The part to compress; everything by default. Tokens outside it are all kept. */
  readonly span?: Span;
  /** Leading tokens that are always kept; METHOD section 1. An adapter's own number goes first. */
  readonly sinks?: number;
  /** Compress fold by fold, in folds of 1,536 tokens or as many as given. Without it a context longer than the model reads is refused. */
  readonly fold?: boolean | number;
  readonly seed?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: CompressProgress) => void;
  /** Something a person should know that does not stop the work. */
  readonly onWarning?: (message: string) => void;
}

const DEFAULT_SINKS = 4;

/**
 * Compresses a context to a cache that the unmodified model reads. In memory at once: the rows of one fold and those kept so far.
 *
 * What lies in front of the span is kept as the sinks are, what follows it is read by the frozen model on the compressed cache.
 * @throws KvDistillError as `planCompression` does; `unsupported` for a question-aware method; `cancelled`; what the engine throws
 */
export async function compressIds(
  model: LanguageModel,
  ids: readonly number[],
  options: CompressOptions,
): Promise<KvCache> {
  const { method, adapter, keep, fold = false, seed = 0, signal, onProgress, onWarning } = options;
  const { config, files } = model;
  if (ids.length === 0) throw new KvDistillError("bad-argument", "there is nothing to compress", { where: "context" });
  const span = options.span ?? { start: 0, end: ids.length };
  checkSavable(method);
  const sinks = adapter?.adapter.config.sinks ?? options.sinks ?? DEFAULT_SINKS;
  const folding = foldingOf(fold, adapter?.adapter.config.foldCut);
  const { pieces, beyondTraining } = planCompression(
    { tokens: ids.length, span, keep, sinks, folding },
    config,
    files.name,
  );
  if (beyondTraining) onWarning?.(`the text is longer than ${files.name} was trained to read: answers may be poor`);

  const parts: PlacedRows[] = [];
  for (const [i, piece] of pieces.entries()) {
    if (signal?.aborted === true) throw new KvDistillError("cancelled", "compressing was cancelled");
    const { start, end, count, lead } = piece;
    const tell = (tokens: number): void =>
      onProgress?.({ tokens, total: ids.length, fold: i + 1, folds: pieces.length });
    if (count > 0) {
      const context = pieceContext(model, ids, piece, {
        ...(signal === undefined ? {} : { signal }),
        onRead: (tokens) => {
          tell(start + Math.max(0, tokens - lead));
        },
      });
      const rows = await compressPiece(method, context, piece, { seed });
      checkCount(rows, count, method);
      parts.push(rows);
    }
    tell(end);
  }
  const kept = pieces.reduce((rows, { count }) => rows + count, 0);
  const position = nextPosition(method, span.end, kept);
  if (span.end < ids.length) {
    const after = await readAfter(model, parts, ids.slice(span.end), position, signal);
    parts.push(placeRows(after, span.end));
    onProgress?.({ tokens: ids.length, total: ids.length, fold: pieces.length, folds: pieces.length });
  }
  const joined = joinRows(parts, config);
  checkReadable(joined.layers, model);
  return {
    ...joined,
    numKvHeads: config.numKvHeads,
    headDim: config.headDim,
    tokenIds: Int32Array.from(ids),
    contextLength: ids.length,
    ...(position === span.end ? {} : { nextPosition: position + ids.length - span.end }),
    provenance: {
      modelName: files.name,
      modelHash: files.hash,
      tokenizerHash: files.tokenizerHash,
      adapterHash: adapter?.hash ?? "none",
      method: method.name,
      ...(model.precision === "fp32" ? {} : { precision: model.precision }),
      span,
      asked: keep,
      createdBy: PACKAGE_NAME_AND_VERSION,
    },
  };
}

/** A finished cache answers any question. */
function checkSavable({ name, questionAware }: CompressionMethod): void {
  if (questionAware !== true) return;
  throw new KvDistillError("unsupported", "this method makes no cache that can be saved: it is for evaluation", {
    where: name,
    got: "it chooses by the question",
    hint: `choose another: ${SAVED_METHOD_NAMES.join(", ")}`,
  });
}

/** A head may hold many more rows than the mean. @throws KvDistillError `context-too-long` */
function checkReadable(layers: readonly HostLayer[], { config, files }: LanguageModel): void {
  const most = Math.max(...allRowCounts(layers, config));
  const limit = contextLimit(config);
  if (most < limit) return;
  throw new KvDistillError("context-too-long", "one head of the compressed cache alone would fill the model", {
    where: files.name,
    expected: `fewer than ${limit} rows`,
    got: String(most),
    hint: "keep less of it, or choose a method or an adapter whose heads keep equally many",
  });
}

/** What is obtained is what was asked for: in every head, or by heads that share the budget on average. */
function checkCount({ positions }: CompressedRows, count: number, { name, ragged }: CompressionMethod): void {
  const counts = positions.map(({ length }) => length);
  const mean = counts.reduce((sum, own) => sum + own, 0) / counts.length;
  const wrong = ragged === true ? [mean].find((own) => own !== count) : counts.find((own) => own !== count);
  if (wrong === undefined) return;
  throw new KvDistillError("bad-argument", "the method does not obey the budget", {
    where: name,
    expected: `${count} rows`,
    got: String(wrong),
    hint: name === "full" ? "it keeps everything: ask for 100%" : "choose another method",
  });
}
