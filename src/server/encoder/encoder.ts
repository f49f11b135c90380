import { type ContextTokens, encodeMarked } from "../../models/marked-span.ts";
import type { TextPart, Tokenizer } from "../../models/tokenizer.ts";

/** Text to ids for requests, long texts included, without stopping everything else for long. */
export interface Encoder {
  /** As `Tokenizer.encodeParts`. */
  parts(parts: readonly TextPart[]): Promise<readonly number[]>;
  /** As `encodeMarked`. */
  marked(parts: readonly TextPart[]): Promise<ContextTokens>;
  close(): Promise<void>;
}

/** Encodes in this thread: for programs that have nothing else to do meanwhile. */
export function localEncoder(tokenizer: Pick<Tokenizer, "encodeParts">): Encoder {
  return {
    parts: (parts) => attempt(() => tokenizer.encodeParts(parts)),
    marked: (parts) => attempt(() => encodeMarked(parts, tokenizer)),
    close: () => Promise.resolve(),
  };
}

function attempt<T>(work: () => T): Promise<T> {
  return Promise.resolve().then(work);
}
