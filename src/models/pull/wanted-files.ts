import { KvDistillError } from "../../util/errors.ts";

/** The small files that a pulled Hugging Face model keeps, where it has them. */
export const WANTED_TEXTS = [
  "config.json",
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "chat_template.jinja",
] as const;

export const SINGLE_WEIGHTS = "model.safetensors";
export const WEIGHTS_INDEX = "model.safetensors.index.json";

export interface WantedFiles {
  readonly texts: readonly string[];
  /** The file with all weights, or the index that lists the files which hold them. */
  readonly weights: typeof SINGLE_WEIGHTS | typeof WEIGHTS_INDEX;
}

/**
 * What is needed of the files that a folder or repository has. Only these fixed names are ever asked for, so a name made up
 * by a repository leads nowhere.
 * @throws KvDistillError `not-found` without config.json or tokenizer.json, `unsupported` without safetensors weights.
 */
export function wantedFiles(available: ReadonlySet<string>, where: string): WantedFiles {
  for (const name of ["config.json", "tokenizer.json"]) {
    if (available.has(name)) continue;
    throw new KvDistillError("not-found", `no ${name}`, { where, hint: "is this a transformers language model?" });
  }
  const weights = ([SINGLE_WEIGHTS, WEIGHTS_INDEX] as const).find((name) => available.has(name));
  if (weights === undefined) {
    throw new KvDistillError("unsupported", "no safetensors weights", {
      where,
      expected: `${SINGLE_WEIGHTS} or ${WEIGHTS_INDEX}`,
      hint: "pickled weights (.bin, .pt) are never read, since they can run code; use a repository with safetensors",
    });
  }
  return { texts: WANTED_TEXTS.filter((name) => available.has(name)), weights };
}
