import { type CacheProvenance, keyValueBytes } from "../../cache/kv-cache.ts";
import type { Precision } from "../../models/precision/precision.ts";
import type { KvdDescription } from "../../cache/load-kvd.ts";
import { createdAt, type ContextId } from "./context-id.ts";
import type { StoredContext } from "./store.ts";

/** What was asked for and what was obtained, of a compressed span. */
export interface KeptFacts {
  readonly asked: Readonly<Record<string, number>>;
  readonly obtained: { readonly fraction: number; readonly tokens: number; readonly bytes: number };
}

/** A stored context as the API tells it. Bytes are those of keys and values as stored, the file's are `file_bytes`. */
export interface ContextFacts extends KeptFacts {
  readonly id: ContextId;
  readonly object: "context";
  readonly created: number;
  readonly last_used: number;
  readonly model: string;
  readonly method: string;
  /** What the rows were computed in. */
  readonly precision: Precision;
  /** Tokens of the whole context. */
  readonly tokens: number;
  /** Its compressed part, in tokens. */
  readonly span: { readonly start: number; readonly end: number };
  /** Rows of the cache, those outside the span included. */
  readonly rows: number;
  readonly key_value_bytes: number;
  readonly full_key_value_bytes: number;
  readonly file_bytes: number;
}

export function contextFacts({ id, bytes, description, usedAt }: StoredContext): ContextFacts {
  const { provenance, contextLength, slots } = description;
  const rowBytes = keyValueBytes(description, 1, description.dtype === "F16" ? 2 : 4);
  const tokens = keptTokens(description);
  return {
    id,
    object: "context",
    created: createdAt(id),
    last_used: Math.floor(usedAt / 1000),
    model: provenance.modelName,
    method: provenance.method,
    precision: provenance.precision ?? "fp32",
    tokens: contextLength,
    span: provenance.span,
    asked: askedFacts(provenance.asked),
    obtained: { fraction: description.obtained, tokens, bytes: tokens * rowBytes },
    rows: slots,
    key_value_bytes: slots * rowBytes,
    full_key_value_bytes: contextLength * rowBytes,
    file_bytes: bytes,
  };
}

/** Tokens kept of the span, mean over layers and heads. */
export function keptTokens({ obtained, provenance }: Pick<KvdDescription, "obtained" | "provenance">): number {
  return Math.round(obtained * (provenance.span.end - provenance.span.start));
}

export function askedFacts({ kind, value }: CacheProvenance["asked"]): Readonly<Record<string, number>> {
  return { [kind]: value };
}
