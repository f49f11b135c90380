import type { ModelConfig } from "../config.ts";
import type { Family } from "./family.ts";
import { gpt2 } from "./gpt2.ts";
import { llama } from "./llama.ts";

/** The graph functions of a model. */
export function familyOf(config: ModelConfig): Family {
  switch (config.family) {
    case "llama":
      return llama(config);
    case "gpt2":
      return gpt2(config);
  }
}
