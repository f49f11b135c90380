import { type AskedKeep, type KvCache, nextPositionOf } from "../../cache/kv-cache.ts";
import { rowsFor } from "../../compress/budget.ts";
import { CompressionContext } from "../../compress/context.ts";
import type { CompressedRows, CompressionMethod } from "../../compress/method.ts";
import { fullCache, readingCache } from "../../generate/generate.ts";
import { contextLimit } from "../../models/config.ts";
import { allRowCounts, type HeadRows, headsOf, layerOf } from "../../models/host-layer.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import { LayerCache } from "../../models/layer-cache.ts";
import { KvDistillError } from "../../util/errors.ts";

/** A stretch of a live text, in tokens. */
export interface LiveSpan {
  readonly start: number;
  readonly end: number;
}

/** A stretch whose tokens are all there, one row each, or one that was compressed. */
interface Segment extends LiveSpan {
  /** Rows of every head, layer · numKvHeads + head; a single number for all. */
  readonly rows: readonly number[];
  readonly compressed: boolean;
}

export interface CompressSpan {
  readonly span: LiveSpan;
  readonly keep: AskedKeep;
  readonly method: CompressionMethod;
  /** Leading tokens of the whole text that are always kept. */
  readonly sinks: number;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly onRead?: (tokens: number) => void;
}

/** Where a live text was, to come back to. */
export interface LiveMark {
  readonly tokens: number;
  readonly rows: number;
  readonly segments: readonly Segment[];
}

/**
 * The cache of a text that goes on: read further, any finished stretch of it compressed in place, read further. Rows outside the stretch
 * stay as they are, positions go on counting tokens, compressed or not.
 */
export class LiveCache {
  readonly model: LanguageModel;
  /** Where the model reads on. Between calls it holds rows for exactly `tokens`. */
  rows: LayerCache;
  private readonly ids: number[];
  private segments: readonly Segment[];

  private constructor(model: LanguageModel, rows: LayerCache, ids: number[], segments: readonly Segment[]) {
    this.model = model;
    this.rows = rows;
    this.ids = ids;
    this.segments = segments;
  }

  static async empty(model: LanguageModel): Promise<LiveCache> {
    return new LiveCache(model, await model.newCache(), [], []);
  }

  /**
   * Goes on from a stored context.
   * @throws KvDistillError `model-mismatch`; `unsupported` when the cache does not hold its tokens, or goes on elsewhere than after them
   */
  static async from(model: LanguageModel, cache: KvCache): Promise<LiveCache> {
    const { tokenIds, contextLength } = cache;
    if (tokenIds === undefined) {
      throw new KvDistillError("unsupported", "the cache does not hold the tokens that it was made from", {
        hint: "compress the text again",
      });
    }
    checkCountsTokens(nextPositionOf(cache) === contextLength, "the cache");
    const rows = allRowCounts(cache.layers, cache);
    const whole = { start: 0, end: contextLength, rows, compressed: true };
    return new LiveCache(model, await readingCache(model, cache), Array.from(tokenIds), [whole]);
  }

  /**
   * Reads the whole text of a stored context.
   * @param onRead told how many tokens have been read
   * @throws KvDistillError as `fullCache`
   */
  static async whole(
    model: LanguageModel,
    cache: KvCache,
    signal: AbortSignal,
    onRead: (tokens: number) => void,
  ): Promise<LiveCache> {
    const rows = await fullCache(model, cache, signal, onRead);
    const { contextLength: end } = cache;
    return new LiveCache(model, rows, Array.from(cache.tokenIds ?? []), [
      { start: 0, end, rows: [end], compressed: false },
    ]);
  }

  /** Tokens of the text. */
  get tokens(): number {
    return this.ids.length;
  }

  /** Tokens of its compressed stretches. */
  get compressedTokens(): number {
    return this.sumOfCompressed(({ start, end }) => end - start);
  }

  /** Rows that stand for them, mean over layers and heads. */
  get keptTokens(): number {
    return this.sumOfCompressed(({ rows }) => mean(rows));
  }

  /** Rows that stand for a stretch, mean over layers and heads. @param span begins and ends where no compressed stretch is cut */
  rowsOf({ start, end }: LiveSpan): number {
    return cut(this.segments, start, end).reduce((sum, { rows }) => sum + mean(rows), 0);
  }

  mark(): LiveMark {
    return { tokens: this.ids.length, rows: this.rows.length, segments: this.segments };
  }

  /** Forgets what was read since a mark; nothing may have been compressed since. */
  rollBack({ tokens, rows, segments }: LiveMark): void {
    this.rows.truncate(rows, tokens);
    this.ids.length = tokens;
    this.segments = segments;
  }

  /** Takes note of tokens that `rows` has read. */
  noteRead(ids: readonly number[]): void {
    const start = this.ids.length;
    this.ids.push(...ids);
    this.segments = joined([...this.segments, { start, end: this.ids.length, rows: [ids.length], compressed: false }]);
  }

  /** Reads on. @throws KvDistillError as `LanguageModel.forward`; nothing has been read then */
  async read(ids: readonly number[], signal: AbortSignal): Promise<void> {
    if (ids.length === 0) return;
    const mark = this.mark();
    try {
      await this.model.forward({ ids, cache: this.rows, signal });
    } catch (error) {
      this.rollBack(mark);
      throw error;
    }
    this.noteRead(ids);
  }

  /**
   * Compresses a stretch in place. It is encoded after the text in front of it, all of that where the model reads so much, otherwise
   * the nearest part; then the kept rows take its place. Compressed stretches inside it are compressed anew, from their tokens.
   * @returns rows that stand for it now, mean over layers and heads
   * @throws KvDistillError `bad-argument` for a stretch that cuts a compressed one, or the budget; `context-too-long`; `unsupported` for a method that goes on at the number of kept rows; `cancelled`.
   * Everything is as before then.
   */
  async compress({ span, keep, method, sinks, seed, signal, onRead }: CompressSpan): Promise<number> {
    const { config, files, runtime } = this.model;
    this.checkSpan(span);
    checkCountsTokens(method.readPositions !== "kept", method.name);
    const length = span.end - span.start;
    const limit = contextLimit(config);
    if (length > limit) {
      throw new KvDistillError("context-too-long", "the part is longer than the model reads", {
        where: files.name,
        expected: `at most ${limit} tokens`,
        got: String(length),
        hint: "compress it in several parts",
      });
    }
    const spanSinks = Math.min(length, Math.max(0, sinks - span.start));
    const count = rowsFor(keep, length, spanSinks, config);
    const start = Math.max(0, span.end - limit);
    const lead = span.start - start;
    const context = new CompressionContext(this.model, this.ids.slice(start, span.end), {
      position: start,
      signal,
      ...(onRead === undefined ? {} : { onRead }),
    });
    const made = await method.compress({ context, count: lead + count, sinks: lead + spanSinks, seed });
    checkLead(made, lead, lead + count, method);

    const old = await this.rows.download();
    const layers = old.map((own, i) => {
      const layer = made.layers[i];
      if (layer === undefined) throw new KvDistillError("shape-mismatch", "a layer is missing", { where: method.name });
      const fresh = headsOf(layer, config);
      const heads = headsOf(own, config).map((rows, head) => [
        cutRows(rows, 0, this.rowsBefore(span.start, i * config.numKvHeads + head), config.headDim),
        ...fresh.slice(head, head + 1).map((made) => cutRows(made, lead, undefined, config.headDim)),
        cutRows(rows, this.rowsBefore(span.end, i * config.numKvHeads + head), undefined, config.headDim),
      ]);
      return layerOf(heads, config.headDim);
    });
    signal.throwIfAborted();
    const rows = await LayerCache.from(runtime, config, layers, this.ids.length);
    this.rows.release();
    this.rows = rows;
    this.segments = joined([
      ...cut(this.segments, 0, span.start),
      { ...span, rows: allRowCounts(made.layers, config).map((own) => own - lead), compressed: true },
      ...cut(this.segments, span.end, this.ids.length),
    ]);
    return count;
  }

  release(): void {
    this.rows.release();
  }

  private sumOfCompressed(of: (segment: Segment) => number): number {
    return this.segments.reduce((sum, segment) => (segment.compressed ? sum + of(segment) : sum), 0);
  }

  /** A head's rows of what stands in front of a token, which no compressed stretch has inside it. */
  private rowsBefore(token: number, head: number): number {
    return cut(this.segments, 0, token).reduce((sum, { rows }) => sum + (rows[rows.length === 1 ? 0 : head] ?? 0), 0);
  }

  private checkSpan({ start, end }: LiveSpan): void {
    if (start < 0 || start >= end || end > this.ids.length) {
      throw new KvDistillError("bad-argument", "the part does not lie inside the conversation", {
        expected: `tokens from 0 to ${this.ids.length}`,
        got: `${start}:${end}`,
      });
    }
    const crossing = this.segments.find(
      (own) => own.compressed && own.start < end && own.end > start && (own.start < start || own.end > end),
    );
    if (crossing === undefined) return;
    throw new KvDistillError("bad-argument", "the part cuts one that is compressed already", {
      expected: `all of tokens ${crossing.start}:${crossing.end}, or none`,
      got: `${start}:${end}`,
    });
  }
}

/** Segments between two tokens; one whose tokens are all there may be cut. */
function cut(segments: readonly Segment[], start: number, end: number): Segment[] {
  return segments.flatMap((own) => {
    const [from, to] = [Math.max(own.start, start), Math.min(own.end, end)];
    if (from >= to) return [];
    return own.compressed ? [own] : [{ start: from, end: to, rows: [to - from], compressed: false }];
  });
}

/** Neighbours whose tokens are all there become one. */
function joined(segments: readonly Segment[]): Segment[] {
  return segments.reduce<Segment[]>((done, own) => {
    const last = done.at(-1);
    if (last === undefined || last.compressed || own.compressed) return [...done, own];
    return [...done.slice(0, -1), { ...last, end: own.end, rows: [mean(last.rows) + mean(own.rows)] }];
  }, []);
}

/** Positions of a live text count its tokens: what follows a stretch has been read already when the stretch is compressed. */
function checkCountsTokens(fits: boolean, where: string): void {
  if (fits) return;
  throw new KvDistillError(
    "unsupported",
    "a conversation goes on after its last token, not at the number of kept rows",
    {
      where,
      hint: "use an adapter that was trained so, as all that come with the package are",
    },
  );
}

/** What was in front is kept whole, and the budget obeyed: the rows can be told apart. */
function checkLead(
  { positions }: CompressedRows,
  lead: number,
  count: number,
  { name, ragged }: CompressionMethod,
): void {
  const counts = positions.map(({ length }) => length);
  const obeyed = ragged === true ? mean(counts) === count : counts.every((own) => own === count);
  if (obeyed && positions.every((own) => lead === 0 || own[lead - 1] === lead - 1)) return;
  throw new KvDistillError("bad-argument", "the method does not obey the budget", {
    where: name,
    expected: `${count} rows, the first ${lead} among them`,
    hint: name === "full" ? "it keeps everything: ask for 100%" : "choose another method",
  });
}

function mean(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0) / counts.length;
}

/** Rows of a head from one to another, or to its last. */
function cutRows({ keys, values }: HeadRows, start: number, end: number | undefined, headDim: number): HeadRows {
  const cut = (rows: Float32Array): Float32Array =>
    rows.subarray(start * headDim, end === undefined ? undefined : end * headDim);
  return { keys: cut(keys), values: cut(values) };
}
