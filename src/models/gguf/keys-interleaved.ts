import type { ModelConfig } from "../config.ts";

/**
 * Whether GGUF files of a model store rotated query and key dimensions in pairs (2i and 2i + 1) where Hugging Face keeps two halves: those
 * of architecture `llama`, which Llama and Mistral become.
 */
export function keysInterleaved({ modelType }: ModelConfig): boolean {
  return modelType === "llama" || modelType === "mistral";
}
