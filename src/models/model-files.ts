import type { ChatTemplate } from "./chat-template.ts";
import type { Resident } from "../runtime/residents.ts";
import { elementCount } from "../tensor/tensor.ts";
import type { ModelConfig } from "./config.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Where a float32 tensor lies on disk, for ONNX Runtime to map: `prod(dims) · 4` bytes at `offset`. */
export interface WeightLocation {
  /** Absolute path without symbolic links. */
  readonly file: string;
  /** Byte offset in the file; not necessarily aligned. */
  readonly offset: number;
  readonly dims: readonly number[];
}

/** A model, checked and ready to run. */
export interface ModelFiles {
  readonly name: string;
  readonly folder: string;
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  /** The model's own Jinja template; undefined for models without chat. */
  readonly chatTemplate: ChatTemplate | undefined;
  /**
   * Every weight of the model and nothing else, under its Hugging Face name with prefix (`model.layers.0.…`,
   * `transformer.h.0.…`). There is no `lm_head.weight` when the embeddings are tied.
   */
  readonly weights: ReadonlyMap<string, WeightLocation>;
  /** The same where the engine maps no files, as in a browser: tensors that it holds. `weights` is empty then. */
  readonly residents?: ReadonlyMap<string, Resident>;
  /** sha256 over what the model computes: configuration and float32 weights, whatever files they came in. */
  readonly hash: string;
  /** sha256 over what turns text into ids and back. */
  readonly tokenizerHash: string;
}

/** Bytes of all of them. */
export function weightBytes(weights: ModelFiles["weights"]): number {
  return [...weights.values()].reduce((sum, { dims }) => sum + 4 * elementCount(dims), 0);
}
