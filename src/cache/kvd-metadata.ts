import { z } from "zod";
import { ROUNDED_PRECISIONS } from "../models/precision/precision.ts";
import { KvDistillError } from "../util/errors.ts";
import type { AskedKeep, CacheProvenance } from "./kv-cache.ts";

export const KVD_FORMAT = "kv-distill-cache";
export const KVD_VERSION = 1;
/** Of caches whose heads hold different numbers of rows. */
export const KVD_RAGGED_VERSION = 2;
const VERSIONS: readonly string[] = [KVD_VERSION.toString(), KVD_RAGGED_VERSION.toString()];

/** What the metadata of a `.kvd` file says. */
export interface KvdFacts {
  /** Of the format: `KVD_VERSION` or `KVD_RAGGED_VERSION`. */
  readonly version: number;
  readonly provenance: CacheProvenance;
  readonly contextLength: number;
  /** As in `KvCache`. */
  readonly nextPosition?: number;
  /** Fraction of the span that the file holds. */
  readonly obtained: number;
  /** Over the whole file, with these 64 characters (at their last occurrence in the header) read as zeros. */
  readonly sha256: string;
}

const wholeNumber = z
  .string()
  .regex(/^(0|[1-9]\d{0,15})$/, "not a whole number")
  .transform(Number);
const fraction = z
  .string()
  .regex(/^\d+(\.\d+)?(e-\d{1,3})?$/, "not a decimal number")
  .transform(Number);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "not a sha256");
const pair = z
  .string()
  .regex(/^(0|[1-9]\d{0,15}):(0|[1-9]\d{0,15})$/, "not START:END")
  .transform((text) => {
    const [start = NaN, end = NaN] = text.split(":").map(Number);
    return { start, end };
  });
const asked = z
  .string()
  .regex(/^(fraction:\d+(\.\d+)?(e-\d{1,3})?|(tokens|bytes):[1-9]\d{0,15})$/, "not KIND:NUMBER")
  .transform((text): AskedKeep => {
    const [kind, value] = text.split(":");
    return { kind: kind as AskedKeep["kind"], value: Number(value) };
  });

const schema = z.strictObject({
  format: z.literal(KVD_FORMAT),
  format_version: z.enum(VERSIONS as [string]).transform(Number),
  model_name: z.string(),
  model_hash: sha256,
  tokenizer_hash: sha256,
  adapter_hash: z.union([z.literal("none"), sha256]),
  method: z.string(),
  precision: z.enum(ROUNDED_PRECISIONS).optional(),
  span: pair,
  context_length: wholeNumber,
  next_position: wholeNumber.optional(),
  keep_asked: asked,
  keep_obtained: fraction,
  created_by: z.string(),
  sha256,
});

/** Metadata as the file stores it. */
export function encodeKvdMetadata(facts: KvdFacts): Map<string, string> {
  const { version, provenance, contextLength, nextPosition, obtained, sha256: sum } = facts;
  const { span, asked: keep } = provenance;
  return new Map([
    ["format", KVD_FORMAT],
    ["format_version", version.toString()],
    ["model_name", provenance.modelName],
    ["model_hash", provenance.modelHash],
    ["tokenizer_hash", provenance.tokenizerHash],
    ["adapter_hash", provenance.adapterHash],
    ["method", provenance.method],
    ...(provenance.precision === undefined ? [] : ([["precision", provenance.precision]] as const)),
    ["span", `${span.start}:${span.end}`],
    ["context_length", contextLength.toString()],
    ...(nextPosition === undefined ? [] : ([["next_position", nextPosition.toString()]] as const)),
    ["keep_asked", `${keep.kind}:${keep.value}`],
    ["keep_obtained", obtained.toString()],
    ["created_by", provenance.createdBy],
    ["sha256", sum],
  ]);
}

/**
 * Reads what `encodeKvdMetadata` writes.
 * @throws KvDistillError `bad-file` listing all faults, `unsupported` for another version of the format.
 */
export function parseKvdMetadata(metadata: ReadonlyMap<string, string>, where: string): KvdFacts {
  if (metadata.get("format") !== KVD_FORMAT) throw new KvDistillError("bad-file", "not a kv-distill cache", { where });
  const version = metadata.get("format_version");
  if (version === undefined || !VERSIONS.includes(version)) {
    throw new KvDistillError("unsupported", "cache format version not handled", {
      where,
      expected: VERSIONS.join(" or "),
      got: String(version),
    });
  }
  const result = schema.safeParse(Object.fromEntries(metadata));
  if (!result.success) {
    const faults = result.error.issues.map((issue) => `${issue.path.join(".") || "metadata"}: ${issue.message}`);
    throw new KvDistillError("bad-file", "the metadata is wrong", { where, faults });
  }
  const facts = result.data;
  return {
    version: facts.format_version,
    provenance: {
      modelName: facts.model_name,
      modelHash: facts.model_hash,
      tokenizerHash: facts.tokenizer_hash,
      adapterHash: facts.adapter_hash,
      method: facts.method,
      ...(facts.precision === undefined ? {} : { precision: facts.precision }),
      span: facts.span,
      asked: facts.keep_asked,
      createdBy: facts.created_by,
    },
    contextLength: facts.context_length,
    ...(facts.next_position === undefined ? {} : { nextPosition: facts.next_position }),
    obtained: facts.keep_obtained,
    sha256: facts.sha256,
  };
}
