import type { ContextTokens } from "../../models/marked-span.ts";
import type { TextPart } from "../../models/tokenizer.ts";
import type { ErrorCode, ErrorFacts } from "../../util/errors.ts";

/** What the encoder's thread is asked. */
export interface EncodeRequest {
  readonly id: number;
  readonly kind: "parts" | "marked";
  readonly parts: readonly TextPart[];
}

/** What it answers; errors of this package keep their code and facts. */
export type EncodeReply = { readonly id: number } & (
  | { readonly ids: readonly number[] }
  | { readonly tokens: ContextTokens }
  | { readonly error: { readonly code: ErrorCode | undefined; readonly message: string; readonly facts: ErrorFacts } }
);

export interface EncoderData {
  /** The model, as `openModel` takes it. */
  readonly model: string;
}
