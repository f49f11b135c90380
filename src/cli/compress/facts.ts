import { type KvCache, obtainedKeep, slotsOf } from "../../cache/kv-cache.ts";
import { formatBytes, formatCount, formatDuration, formatPercent, formatRate } from "../../util/format.ts";

/** What is known beside the cache itself. */
export interface Measured {
  readonly path: string;
  readonly fileBytes: number;
  /** Bytes of the cache's keys and values as stored. */
  readonly keyValue: number;
  readonly seconds: number;
  readonly folds: number;
}

/** What a compression asked for and obtained, as `compress --json` prints it. */
export type CompressFacts = ReturnType<typeof compressFacts>;

export function compressFacts(cache: KvCache, { path, fileBytes, keyValue, seconds, folds }: Measured) {
  const { provenance, contextLength } = cache;
  const { span, asked, method, modelName, precision = "fp32" } = provenance;
  const rows = slotsOf(cache);
  const fraction = obtainedKeep(cache);
  const tokens = Math.round(fraction * (span.end - span.start));
  const rowBytes = keyValue / rows;
  return {
    file: path,
    model: modelName,
    method,
    precision,
    asked,
    /** Of the span. */
    obtained: { fraction, tokens, bytes: tokens * rowBytes },
    contextTokens: contextLength,
    span,
    /** Rows of every layer and head, or their mean, those outside the span included. */
    rows,
    keyValueBytes: keyValue,
    fullKeyValueBytes: contextLength * rowBytes,
    fileBytes,
    folds,
    seconds,
    tokensPerSecond: contextLength / seconds,
  } as const;
}

/** The same for people: name, asked, obtained. */
export function compressRows(facts: CompressFacts): (readonly [string, string, string])[] {
  const { asked, obtained, span, contextTokens, rows, keyValueBytes, fullKeyValueBytes } = facts;
  const length = span.end - span.start;
  const whole = length === contextTokens;
  const only = (kind: typeof asked.kind, value: string): string => (asked.kind === kind ? value : "");
  return [
    [
      whole ? "part kept" : "part kept of the span",
      only("fraction", formatPercent(asked.value, 6)),
      formatPercent(obtained.fraction, 6),
    ],
    [
      whole ? "tokens" : "tokens of the span",
      only("tokens", formatCount(asked.value)),
      `${formatCount(obtained.tokens)} of ${formatCount(length)}`,
    ],
    ["keys and values (F16)", only("bytes", formatBytes(asked.value)), formatBytes(obtained.bytes)],
    ...(whole
      ? []
      : ([
          [
            "with what is kept whole",
            "",
            `${formatCount(rows)} of ${formatCount(contextTokens)} tokens, ${formatBytes(keyValueBytes)}`,
          ],
        ] as const)),
    ["uncompressed", "", formatBytes(fullKeyValueBytes)],
    ["file", "", `${formatBytes(facts.fileBytes)} · ${facts.file}`],
    [
      "method",
      "",
      [
        facts.method,
        ...(facts.folds === 1 ? [] : [`${facts.folds} folds`]),
        ...(facts.precision === "fp32" ? [] : [facts.precision]),
      ].join(", "),
    ],
    ["time", "", `${formatDuration(facts.seconds)}, ${formatRate(facts.tokensPerSecond, "tokens")}`],
  ];
}
