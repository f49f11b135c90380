import { allRowCounts, rowCountsOf } from "../models/host-layer.ts";
import { KvDistillError } from "../util/errors.ts";
import { faultList } from "../util/fault-list.ts";
import { isRaggedCache, positionsOf, type CacheProvenance, type KvCache } from "./kv-cache.ts";

/** Positions are 32-bit. */
export const MAX_CONTEXT_LENGTH = 2 ** 31 - 1;

/**
 * Every invariant of a cache: array sizes agree; positions are sorted, unique and inside the context; the span lies
 * inside the context; hashes look like hashes; all numbers are finite.
 * @throws KvDistillError `shape-mismatch` listing all faults, or `not-finite`.
 */
export function checkKvCache(cache: KvCache, where: string): void {
  const shape = shapeFaults(cache);
  const inside = shape.length > 0 ? [] : [...sizeFaults(cache), ...positionFaults(cache)];
  const faults = [...shape, ...inside, ...provenanceFaults(cache)];
  if (faults.length > 0)
    throw new KvDistillError("shape-mismatch", "the cache breaks its rules", { where, faults: faultList(faults) });
  const arrays: [string, Float32Array][] = cache.layers.flatMap(({ keys, values }, i) => [
    [`layers.${i}.k`, keys],
    [`layers.${i}.v`, values],
  ]);
  if (cache.scores !== undefined) arrays.push(["scores", cache.scores]);
  for (const [name, array] of arrays) {
    const at = firstNotFinite(array);
    if (at >= 0) {
      throw new KvDistillError("not-finite", `${name} holds a number that is not finite`, {
        where,
        got: `${String(array[at])} at element ${at}`,
      });
    }
  }
}

/** Millions of numbers: ten times as fast as `findIndex`. */
function firstNotFinite(array: Float32Array): number {
  for (let i = 0; i < array.length; i++) if (!Number.isFinite(array[i])) return i;
  return -1;
}

/** Without these nothing can be counted. */
function shapeFaults(cache: KvCache): string[] {
  const { layers, numKvHeads, headDim } = cache;
  const faults: string[] = [];
  if (layers.length === 0) faults.push("there are no layers");
  if (!isCount(numKvHeads)) faults.push(`numKvHeads is ${numKvHeads}`);
  if (!isCount(headDim)) faults.push(`headDim is ${headDim}`);
  if (faults.length > 0) return faults;
  layers.forEach((layer, i) => {
    const counts = rowCountsOf(layer, cache);
    const wrong = counts.find((count) => count !== 0 && !isCount(count));
    if (counts.length !== numKvHeads) faults.push(`layers.${i} has ${counts.length} row counts, not ${numKvHeads}`);
    if (wrong !== undefined) faults.push(`a head of layers.${i} has ${wrong} rows`);
  });
  return faults;
}

function sizeFaults(cache: KvCache): string[] {
  const { layers, headDim, positions, scores, tokenIds, contextLength } = cache;
  const faults: string[] = [];
  const expect = (what: string, got: number, expected: number): void => {
    if (got !== expected) faults.push(`${what} has ${got} elements, not ${expected}`);
  };
  if (positions.length === 0) faults.push("there are no positions");
  const counts = allRowCounts(layers, cache);
  if (isRaggedCache(cache) || positions.length !== counts[0]) expect("positions", positions.length, sum(counts));
  layers.forEach((layer, i) => {
    const size = sum(rowCountsOf(layer, cache)) * headDim;
    expect(`layers.${i}.k`, layer.keys.length, size);
    expect(`layers.${i}.v`, layer.values.length, size);
  });
  if (scores !== undefined) expect("scores", scores.length, positions.length);
  if (tokenIds !== undefined) expect("token_ids", tokenIds.length, contextLength);
  if (tokenIds?.some((id) => id < 0) === true) faults.push("token_ids holds a negative id");
  return faults;
}

function sum(counts: readonly number[]): number {
  return counts.reduce((all, count) => all + count, 0);
}

function positionFaults(cache: KvCache): string[] {
  const { layers, numKvHeads, contextLength, nextPosition = contextLength } = cache;
  if (!isCount(contextLength) || contextLength > MAX_CONTEXT_LENGTH) return [`contextLength is ${contextLength}`];
  if (!isCount(nextPosition) || nextPosition > contextLength)
    return [`nextPosition is ${nextPosition}, not from 1 to ${contextLength}`];
  for (const layer of layers.keys()) {
    for (let head = 0; head < numKvHeads; head++) {
      let previous = -1;
      for (const [slot, position] of positionsOf(cache, layer, head).entries()) {
        if (position <= previous)
          return [`positions are not strictly increasing at slot ${slot} of layer ${layer}, head ${head}`];
        previous = position;
      }
      if (previous >= contextLength)
        return [`position ${previous} is not inside the context of ${contextLength} tokens`];
    }
  }
  return [];
}

function provenanceFaults({ provenance, contextLength }: KvCache): string[] {
  const { span, asked, modelName, method, createdBy } = provenance;
  const faults = hashFaults(provenance);
  if (modelName === "") faults.push("modelName is empty");
  if (method === "") faults.push("method is empty");
  if (createdBy === "") faults.push("createdBy is empty");
  const whole = Number.isSafeInteger(span.start) && Number.isSafeInteger(span.end);
  if (!whole || span.start < 0 || span.end <= span.start || span.end > contextLength) {
    faults.push(`span ${span.start}:${span.end} does not lie inside the context of ${contextLength} tokens`);
  }
  const valid = asked.kind === "fraction" ? asked.value > 0 && asked.value <= 1 : isCount(asked.value);
  if (!valid) faults.push(`asked keep is ${asked.value} ${asked.kind}`);
  return faults;
}

function hashFaults({ modelHash, tokenizerHash, adapterHash }: CacheProvenance): string[] {
  const faults: string[] = [];
  if (!isSha256(modelHash)) faults.push("modelHash is not a sha256");
  if (!isSha256(tokenizerHash)) faults.push("tokenizerHash is not a sha256");
  if (adapterHash !== "none" && !isSha256(adapterHash)) faults.push('adapterHash is neither a sha256 nor "none"');
  return faults;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0;
}

function isSha256(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}
