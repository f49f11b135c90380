import { sha256 } from "../../util/sha256.ts";
import type { Step, TokenizerJson } from "./schema.ts";

/**
 * The identity of a tokenizer: sha256 over what decides ids and text, so that the same vocabulary converted from GGUF or read
 * from tokenizer.json has one hash. Hashed text: JSON of the steps, the vocabulary by id, the merges, and the added tokens.
 * @param preTokenizer in the exact form that is run
 */
export function tokenizerHash(json: TokenizerJson, preTokenizer: Step | null): string {
  const { model } = json;
  // Files differ in whether added tokens are listed in the vocabulary too.
  const addedIds = new Set(json.added_tokens.map((token) => token.id));
  const vocabulary = Object.entries(model.vocab)
    .filter(([, id]) => !addedIds.has(id))
    .sort(([, a], [, b]) => a - b);
  const added = json.added_tokens
    .map((token) => [token.id, token.content, token.special, token.lstrip === true, token.rstrip === true] as const)
    .sort(([a], [b]) => a - b);
  const merges = model.merges.map((merge) => (typeof merge === "string" ? splitOnce(merge) : merge));
  const hashed = {
    normalizer: essential(json.normalizer),
    preTokenizer: essential(preTokenizer),
    byteFallback: model.byte_fallback === true,
    ignoreMerges: model.ignore_merges === true,
    unknown: model.unk_token ?? null,
    vocabulary,
    merges,
    added,
  };
  return sha256().update(JSON.stringify(hashed)).hex();
}

function splitOnce(merge: string): [string, string] {
  const at = merge.indexOf(" ");
  return [merge.slice(0, at), merge.slice(at + 1)];
}

/** A step without fields that have no influence on ids or text, keys sorted. */
function essential(step: unknown): unknown {
  if (Array.isArray(step)) return step.map(essential);
  if (typeof step !== "object" || step === null) return step;
  const fields = Object.entries(step)
    .filter(([key, value]) => key !== "trim_offsets" && value !== null)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(fields.map(([key, value]) => [key, essential(value)]));
}
