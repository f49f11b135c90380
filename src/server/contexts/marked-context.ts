import { loadKvd } from "../../cache/load-kvd.ts";
import { keptShares, keptTokens } from "../../compress/kept-in-cache.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import { isKvDistillError, KvDistillError } from "../../util/errors.ts";
import { LEVELS, markedPieces } from "../../util/html/marked-text.ts";
import { Refusal } from "../http/refusal.ts";
import type { ContextId } from "./context-id.ts";
import type { StoredContext } from "./store.ts";

/** A stretch of a context's text: what belongs to one kept token, or everything between two. */
export interface TextPiece {
  readonly text: string;
  /** How strongly it was kept, 1 … levels; 0: not. */
  readonly level: number;
  /** Its place among the context's tokens; of several the first. */
  readonly token: number;
  /** What it was kept for, where it was kept and scores are stored. */
  readonly score?: number;
  /** Heads that hold it, where heads choose for themselves. */
  readonly held_by?: number;
}

/** A context's text and which of it the cache holds. */
export interface MarkedContext {
  readonly id: ContextId;
  readonly object: "context.text";
  readonly levels: number;
  /** Choices made: 1 where all heads of all layers hold the same tokens. */
  readonly heads: number;
  readonly scored: boolean;
  /** Shares of kept rows in equal stretches of the compressed part. */
  readonly shares: readonly number[];
  /** Joined they are the text. */
  readonly pieces: readonly TextPiece[];
}

const STRETCHES = 60;

/**
 * Reads a stored context's file for its text.
 * @throws KvDistillError `model-mismatch`, `unsupported` for one without its tokens; Refusal `damaged`
 */
export async function markedContext(
  { files: { tokenizer, tokenizerHash } }: LanguageModel,
  { id, path, description }: StoredContext,
): Promise<MarkedContext> {
  const { tokenizerHash: own, modelName } = description.provenance;
  if (own !== tokenizerHash) {
    throw new KvDistillError("model-mismatch", `the context was made with another tokenizer, that of ${modelName}`);
  }
  if (!description.hasTokenIds) {
    throw new KvDistillError("unsupported", "the context does not hold its text", {
      hint: "compress the text again",
    });
  }
  const cache = await loadKvd(path).catch((error: unknown) => {
    if (!isKvDistillError(error)) throw error;
    throw new Refusal("damaged", "the stored context cannot be read", { param: "context", cause: error });
  });
  const kept = keptTokens(cache);
  const { heads, holders, scores } = kept;
  const text = tokenizer.spans(Array.from(cache.tokenIds ?? []));
  const pieces = markedPieces(text, kept).map((piece): TextPiece => {
    if (piece.level === 0) return piece;
    const score = scores?.[piece.token];
    return {
      ...piece,
      ...(score === undefined ? {} : { score }),
      ...(heads === 1 ? {} : { held_by: holders[piece.token] ?? 0 }),
    };
  });
  const shares = keptShares(kept, cache.provenance.span, STRETCHES);
  return { id, object: "context.text", levels: LEVELS, heads, scored: scores !== undefined, shares, pieces };
}
