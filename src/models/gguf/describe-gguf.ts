import type { GgufFile } from "../../formats/gguf/header.ts";
import { optionalMetadata, requiredMetadata } from "../../formats/gguf/lookup.ts";
import type { ModelSource, TextFile } from "../loading/model-source.ts";
import { architectureOf } from "./architectures.ts";
import { ggufConfig } from "./config.ts";
import { ggufTokenizer } from "./tokenizer/tokenizer.ts";
import type { ReadGgufTensor } from "./read-tensor.ts";
import { ggufWeights } from "./weights.ts";

/**
 * A GGUF file as the Hugging Face folder it stands for: configuration, tokenizer and chat template from its metadata,
 * weights under Hugging Face names, dequantised when read.
 * @throws KvDistillError `bad-file`, `too-large`, `unsupported`, and what `read` throws.
 */
export async function describeGguf(file: GgufFile, read: ReadGgufTensor): Promise<ModelSource> {
  const { path } = file;
  const architecture = architectureOf(requiredMetadata(file, "general.architecture", "string"), path);
  const config = await ggufConfig(file, architecture, read);
  const { tokenizerJson, tokenizerConfig } = ggufTokenizer(file);
  const texts = new Map<TextFile, string>([
    ["config.json", pretty(config)],
    ["generation_config.json", pretty({ eos_token_id: endTokens(file) })],
    ["tokenizer.json", JSON.stringify(tokenizerJson)],
    ["tokenizer_config.json", pretty(tokenizerConfig)],
  ]);
  const heads = { queries: headCount(config.num_attention_heads), keys: headCount(config.num_key_value_heads) };
  return { where: path, texts, weights: ggufWeights(file, architecture, heads, read), files: [path] };
}

function pretty(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

/** Rows are rearranged only where the configuration names heads. */
function headCount(value: unknown): number {
  return typeof value === "number" ? value : 1;
}

/** End of text, of turn and of message. */
function endTokens(file: GgufFile): number[] {
  const ids = ["eos", "eot", "eom"].flatMap((name) => {
    const id = optionalMetadata(file, `tokenizer.ggml.${name}_token_id`, "integer");
    return id === undefined ? [] : [id];
  });
  return [...new Set(ids)];
}
