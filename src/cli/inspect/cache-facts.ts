import { type AskedKeep, keyValueBytes, type KvCache, nextPositionOf } from "../../cache/kv-cache.ts";
import type { KeptTokens } from "../../compress/kept-tokens.ts";
import type { KvdDescription } from "../../cache/load-kvd.ts";
import { allRowCounts } from "../../models/host-layer.ts";
import { formatBytes, formatCount, formatNumber, formatPercent } from "../../util/format.ts";
import { keptShares, keptTokens } from "../../compress/kept-in-cache.ts";

/** What is inside a `.kvd` file, as `inspect --json` prints it. */
export type CacheFacts = ReturnType<typeof cacheFacts>;

const VALUE_BYTES = { F16: 2, F32: 4 } as const;

/** @param description of the same file as `cache` */
export function cacheFacts(description: KvdDescription, cache: KvCache) {
  const { path, fileSize, provenance, obtained, sha256, contextLength, dtype, slots, perHead } = description;
  const counts = allRowCounts(cache.layers, cache);
  const kept = keptTokens(cache);
  const bytesOf = (rows: number): number => keyValueBytes(description, rows, VALUE_BYTES[dtype]);
  return {
    kind: "cache",
    path,
    fileSize,
    model: { name: provenance.modelName, sha256: provenance.modelHash },
    tokenizer: { sha256: provenance.tokenizerHash },
    adapter: provenance.adapterHash === "none" ? null : { sha256: provenance.adapterHash },
    method: provenance.method,
    precision: provenance.precision ?? "fp32",
    keep: { asked: provenance.asked, obtained },
    contextLength,
    nextPosition: nextPositionOf(description),
    span: provenance.span,
    layers: description.numLayers,
    kvHeads: description.numKvHeads,
    headDim: description.headDim,
    /** Rows of every head, or their mean. */
    slots,
    /** Rows of the heads that hold fewest and most. */
    rowsOfHeads: { fewest: Math.min(...counts), most: Math.max(...counts) },
    perHead,
    dtype,
    bytes: { keysAndValues: bytesOf(slots), uncompressed: bytesOf(contextLength) },
    positions: positionFacts(kept, provenance.span),
    scores: cache.scores === undefined ? null : scoreFacts(cache.scores),
    hasTokenIds: description.hasTokenIds,
    createdBy: provenance.createdBy,
    sha256,
  } as const;
}

function positionFacts(kept: KeptTokens, span: { readonly start: number; readonly end: number }) {
  const { heads, holders } = kept;
  const first = holders.findIndex((count) => count > 0);
  const firstGap = holders.findIndex((count) => count < heads);
  return {
    first,
    last: holders.findLastIndex((count) => count > 0),
    /** Tokens at the start that every head holds. */
    leading: firstGap < 0 ? holders.length : firstGap,
    heldBySome: holders.filter((count) => count > 0).length,
    heldByAll: holders.filter((count) => count === heads).length,
    /** Shares of kept rows in tenths of the span. */
    tenths: keptShares(kept, span, 10),
  };
}

function scoreFacts(scores: Float32Array) {
  const sorted = Float32Array.from(scores).sort();
  const at = (part: number): number => sorted[Math.round(part * (sorted.length - 1))] ?? NaN;
  return { lowest: at(0), median: at(0.5), highest: at(1) };
}

/** The same for people, as names and values. */
export function cacheRows(facts: CacheFacts): [name: string, value: string][] {
  const { keep, span, positions, scores, bytes, contextLength, slots } = facts;
  const { fewest, most } = facts.rowsOfHeads;
  const rows = fewest === most ? `${formatCount(slots)} rows` : `${formatCount(fewest)} to ${formatCount(most)} rows`;
  const spanTokens = span.end - span.start;
  const whole = span.start === 0 && span.end === contextLength;
  return [
    ["file", `${facts.path} (${formatBytes(facts.fileSize)})`],
    ["model", facts.model.name],
    ["model hash", facts.model.sha256],
    ["tokenizer hash", facts.tokenizer.sha256],
    ["adapter hash", facts.adapter === null ? "none" : facts.adapter.sha256],
    ["method", facts.method],
    ["computed in", facts.precision],
    ["context", `${formatCount(contextLength)} tokens${facts.hasTokenIds ? ", ids stored" : ""}`],
    ["reading goes on", `at position ${formatCount(facts.nextPosition)}`],
    ["compressed span", whole ? "all of it" : `tokens ${span.start} to ${span.end - 1} (${formatCount(spanTokens)})`],
    ["keep asked", askedText(keep.asked)],
    [
      "keep obtained",
      `${formatPercent(keep.obtained)}, ${formatCount(slots)} rows ${fewest === most ? "of every head" : "a head on average"}`,
    ],
    [
      "keys and values",
      `${formatBytes(bytes.keysAndValues)} as ${facts.dtype}; uncompressed ${formatBytes(bytes.uncompressed)}`,
    ],
    ["shape", `${facts.layers} layers, ${facts.kvHeads} kv heads of ${facts.headDim}, ${rows}`],
    [
      "tokens",
      facts.perHead
        ? `each head has its own; ${formatCount(positions.heldBySome)} held by some head, ${formatCount(positions.heldByAll)} by all`
        : "the same in every layer and head",
    ],
    ["positions", `${positions.first} to ${positions.last}; leading tokens held: ${formatCount(positions.leading)}`],
    ["kept along the span", positions.tenths.map((share) => formatPercent(share, 2)).join("  ")],
    [
      "scores",
      scores === null
        ? "none"
        : `lowest ${formatNumber(scores.lowest)}, median ${formatNumber(scores.median)}, highest ${formatNumber(scores.highest)}`,
    ],
    ["made by", facts.createdBy],
    ["checksum", facts.sha256],
  ];
}

export function askedText({ kind, value }: AskedKeep): string {
  if (kind === "fraction") return formatPercent(value);
  return kind === "tokens" ? `${formatCount(value)} tokens` : formatBytes(value);
}
