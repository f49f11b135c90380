import type { ModelConfig } from "../models/config.ts";
import { headsOf, type HeadRows, type HostLayer } from "../models/host-layer.ts";
import type { LayerCache } from "../models/layer-cache.ts";
import { meanRotation, rotateRows } from "./mean-rotation.ts";
import type { QueryStatistics } from "./query-statistics.ts";
import { headEntries } from "./rows.ts";

/** A head gives at most one of so many rows away: where few are kept each tells more than what it would stand for (log, E33). */
const KEPT_FOR_ONE = 32;

/** Of the means' own size: as much as a key may miss of the weight, rather than be moved far where mean queries nearly agree. */
const RIDGE = 0.05;

/** What was kept of a text that has been read. */
export interface KeptOfReading {
  /** All rows. */
  readonly cache: LayerCache;
  readonly config: ModelConfig;
  /** Kept rows; some of them are overwritten. */
  readonly layers: readonly HostLayer[];
  /** Their places in the cache, sorted: one entry for all heads, or one for each. */
  readonly positions: readonly Int32Array[];
  /** What they were chosen by, entry by entry. */
  readonly scores: readonly Float32Array[];
  /** Rows at the start of every head that stay as they are. */
  readonly sinks: number;
  /** Of the text's queries, layer by layer. */
  readonly queries: readonly QueryStatistics[];
  /** Position after the text. */
  readonly end: number;
}

/**
 * Lets some rows stand for all that is dropped. Without it the attention that dropped tokens would get goes to those that are kept, which are the
 * ones that say most, and a model that sees little else goes on with the text rather than with what it is asked (docs/decisions/0249).
 *
 * The kept tokens with the lowest scores make room, so the budget is what it was. What a head drops is cut into equally many stretches, one for each
 * of its rows that stand for others (`standIn`).
 * @param most rows of a head that stand for others, at most
 */
export async function addRestRows(kept: KeptOfReading, most: number): Promise<void> {
  const { cache, config, layers, positions, scores, sinks, end } = kept;
  const { numKvHeads, headDim } = config;
  const tokens = cache.length;
  const all = Int32Array.from({ length: tokens }, (_, i) => i);
  const rotation = meanRotation(config, end);
  for (const [i, layer] of layers.entries()) {
    const own = headEntries(positions, i, numKvHeads);
    const gives = own.map(({ length }) => (length < tokens ? Math.min(most, restCount(length - sinks)) : 0));
    const statistics = kept.queries[i];
    if (statistics === undefined || gives.every((count) => count === 0)) continue;
    const mean = rotation === undefined ? statistics.mean : rotateRows(statistics.mean, rotation);
    const group = mean.length / numKvHeads;
    const full = headsOf(await cache.downloadLayer(i, new Array<Int32Array>(numKvHeads).fill(all)), config);
    const chosenBy = headEntries(scores, i, numKvHeads);
    headsOf(layer, config).forEach((rows, head) => {
      const [from, at] = [full[head], own[head]];
      if (from === undefined || at === undefined) return;
      const slots = lowest(chosenBy[head] ?? new Float32Array(), sinks, gives[head] ?? 0);
      const stays = new Uint8Array(tokens);
      at.forEach((token, slot) => (stays[token] = slots.includes(slot) ? 0 : 1));
      const dropped = all.filter((token) => stays[token] === 0);
      const queries = queriesOf(mean.subarray(head * group, (head + 1) * group), headDim);
      slots.forEach((slot, n) => {
        const stretch = dropped.subarray(share(n, slots.length, dropped), share(n + 1, slots.length, dropped));
        const { key, value } = standIn(from, stretch, queries);
        rows.keys.set(key, slot * headDim);
        rows.values.set(value, slot * headDim);
      });
    });
  }
}

/** Rows that a head with so many kept beside its sinks gives away, at most. */
function restCount(kept: number): number {
  return Math.max(0, Math.floor(kept / KEPT_FOR_ONE));
}

function share(n: number, of: number, { length }: Int32Array): number {
  return Math.floor((n * length) / of);
}

/** Places of the lowest scores after the first `skip`, sorted. */
function lowest(scores: Float32Array, skip: number, count: number): number[] {
  return [...scores.keys()]
    .slice(skip)
    .sort((a, b) => (scores[a] ?? 0) - (scores[b] ?? 0))
    .slice(0, count)
    .sort((a, b) => a - b);
}

/** Queries by which a row's weight is the exponential of the product: [headDim] each. */
function queriesOf(means: Float64Array, headDim: number): Float64Array[] {
  return Array.from({ length: means.length / headDim }, (_, h) =>
    means.slice(h * headDim, (h + 1) * headDim).map((value) => value / Math.sqrt(headDim)),
  );
}

/**
 * A row that stands for some of a head: every query gives it the weight that it gives all of them together, and takes from it what it would take
 * from them on average. Value and key are their means, weighted by the queries; the key is then moved by the least change that brings the weights
 * about: k′ = k̄ + Mᵀ(MMᵀ + εI)⁻¹r, where M has the queries as rows and r is what k̄ lacks, log Σ exp(q·k) − q·k̄.
 * @param tokens at least one
 * @param queries of the head's query heads, scaled
 */
export function standIn(
  { keys, values }: HeadRows,
  tokens: Int32Array,
  queries: readonly Float64Array[],
): { readonly key: Float64Array; readonly value: Float64Array } {
  const headDim = queries[0]?.length ?? 0;
  const key = new Float64Array(headDim);
  const value = new Float64Array(headDim);
  const weights = queries.map((query) => {
    const products = Float64Array.from(tokens, (token) => dot(query, keys, token * headDim));
    const most = products.reduce((a, b) => Math.max(a, b), -Infinity);
    const shares = products.map((product) => Math.exp(product - most));
    const sum = shares.reduce((a, b) => a + b, 0);
    shares.forEach((own, i) => {
      const weight = own / sum / queries.length;
      const start = (tokens[i] ?? 0) * headDim;
      for (let d = 0; d < headDim; d++) {
        key[d] = (key[d] ?? 0) + weight * (keys[start + d] ?? 0);
        value[d] = (value[d] ?? 0) + weight * (values[start + d] ?? 0);
      }
    });
    return most + Math.log(sum);
  });
  const lacks = weights.map((weight, h) => weight - dot(queries[h] ?? key, key, 0));
  const products = queries.map((a) => queries.map((b) => dot(a, b, 0)));
  const size = products.reduce((sum, row, h) => sum + (row[h] ?? 0), 0) / queries.length;
  products.forEach((row, h) => (row[h] = (row[h] ?? 0) + (RIDGE * size || 1)));
  solve(products, lacks).forEach((factor, h) => {
    queries[h]?.forEach((own, d) => (key[d] = (key[d] ?? 0) + factor * own));
  });
  return { key, value };
}

function dot(query: Float64Array, rows: ArrayLike<number>, start: number): number {
  let sum = 0;
  for (let d = 0; d < query.length; d++) sum += (query[d] ?? 0) * (rows[start + d] ?? 0);
  return sum;
}

/** x of Ax = b for a symmetric, positive definite A, by Gauss without pivots. A is overwritten. */
function solve(a: number[][], b: readonly number[]): number[] {
  const x = [...b];
  a.forEach((row, i) => {
    for (let j = i + 1; j < a.length; j++) {
      const below = a[j] ?? [];
      const factor = (below[i] ?? 0) / (row[i] ?? 1);
      for (let c = i; c < row.length; c++) below[c] = (below[c] ?? 0) - factor * (row[c] ?? 0);
      x[j] = (x[j] ?? 0) - factor * (x[i] ?? 0);
    }
  });
  for (let i = a.length - 1; i >= 0; i--) {
    const row = a[i] ?? [];
    for (let c = i + 1; c < row.length; c++) x[i] = (x[i] ?? 0) - (row[c] ?? 0) * (x[c] ?? 0);
    x[i] = (x[i] ?? 0) / (row[i] ?? 1);
  }
  return x;
}
