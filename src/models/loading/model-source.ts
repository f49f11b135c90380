/** One tensor of a model, wherever it lies. */
export interface SourceWeight {
  /** Canonical name: `model.layers.0.…`, `transformer.h.0.…`, `lm_head.weight`. */
  readonly name: string;
  readonly dims: readonly number[];
  /** Where its values already lie as float32, to be used in place; undefined when they must be converted. */
  readonly location: { readonly file: string; readonly offset: number } | undefined;
  /** Its values as float32, row-major. */
  readonly read: () => Promise<Float32Array<ArrayBuffer>>;
}

/** The small files of a Hugging Face folder, as text, that this package reads. */
export const TEXT_FILES = [
  "config.json",
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "chat_template.jinja",
] as const;
export type TextFile = (typeof TEXT_FILES)[number];

/** What a model folder or file holds, before any of it is interpreted. */
export interface ModelSource {
  /** The folder or file, for messages. */
  readonly where: string;
  readonly texts: ReadonlyMap<TextFile, string>;
  readonly weights: readonly SourceWeight[];
  /** Every file that the texts and weights come from, in an order that does not depend on where they lie. */
  readonly files: readonly string[];
}
