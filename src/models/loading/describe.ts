import { KvDistillError, messageOf } from "../../util/errors.ts";
import { parseStrictJson } from "../../util/strict-json.ts";
import type { ChatTemplate } from "../chat-template.ts";
import type { ModelConfig } from "../config.ts";
import { readModelConfig, withGenerationConfig } from "../read-config.ts";
import { createTokenizer, type Tokenizer } from "../tokenizer.ts";
import { chatTemplateOf } from "./chat-template-of.ts";
import type { ModelSource, TextFile } from "./model-source.ts";

export interface Description {
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  readonly chatTemplate: ChatTemplate | undefined;
}

const LIMITS = { maxDepth: 32, maxKeys: 100_000 };

/**
 * Configuration, tokenizer and chat template out of a model's text files.
 * @throws KvDistillError `bad-file`, `unsupported` (also for a tokenizer with ids that the model does not have), `too-large`.
 */
export function describeModel(source: ModelSource): Description {
  const { texts, where } = source;
  const path = (name: TextFile) => `${where}: ${name}`;
  const json = (name: TextFile): unknown => {
    const text = texts.get(name);
    return text === undefined ? undefined : parseStrictJson(text, path(name), LIMITS);
  };
  const generation = json("generation_config.json");
  const plain = readModelConfig(json("config.json"), path("config.json"));
  const config =
    generation === undefined ? plain : withGenerationConfig(plain, generation, path("generation_config.json"));
  const tokenizerConfig = json("tokenizer_config.json") ?? {};
  const tokenizer = createTokenizer({
    tokenizerJson: parseLarge(texts.get("tokenizer.json") ?? "", path("tokenizer.json")),
    tokenizerConfig,
    eosTokenIds: config.eosTokenIds,
    where: path("tokenizer.json"),
  });
  checkIds(tokenizer, config, path("tokenizer.json"));
  return { config, tokenizer, chatTemplate: chatTemplateOf(tokenizerConfig, texts, where) };
}

/** tokenizer.json holds hundreds of thousands of keys, each used as a key only: plain parsing is enough for it. */
function parseLarge(text: string, where: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new KvDistillError("bad-file", "not valid JSON", { where, got: messageOf(cause), cause });
  }
}

function checkIds(tokenizer: Tokenizer, config: ModelConfig, where: string): void {
  if (tokenizer.idLimit <= config.vocabSize) return;
  throw new KvDistillError("unsupported", "the tokenizer has ids that the model does not", {
    where,
    expected: `ids below ${config.vocabSize}`,
    got: (tokenizer.idLimit - 1).toString(),
    hint: "remove the tokens that were added after training from tokenizer.json",
  });
}
