import { createRuntime, type RuntimeOptions } from "../runtime/runtime.ts";
import { KvDistillError } from "../util/errors.ts";
import { renderChat } from "./chat-template.ts";
import { LanguageModel } from "./language-model.ts";
import type { ModelFiles } from "./model-files.ts";
import { openModel } from "./open.ts";
import { createPassagePrompt, type PassagePrompt, QUESTION_STYLES, type QuestionStyle } from "./passage-prompt.ts";
import { plainChat } from "./plain-chat.ts";
import type { ModelReporter } from "./progress.ts";

export interface LoadModelOptions extends RuntimeOptions, ModelReporter {}

/**
 * Opens a model (a pulled name, a Hugging Face folder, a .gguf file) and starts its runtime.
 * @throws KvDistillError as `openModel` and `createRuntime` do.
 */
export async function loadModel(
  nameOrPath: string,
  { device, threads, ...reporter }: LoadModelOptions = {},
): Promise<LanguageModel> {
  const files = await openModel(nameOrPath, reporter);
  const runtime = await createRuntime({
    ...(device === undefined ? {} : { device }),
    ...(threads === undefined ? {} : { threads }),
  });
  return new LanguageModel(files, runtime);
}

/**
 * How a model is asked about a document: its chat template, cut where the document ends. Models without a template are asked in plain text.
 * @throws KvDistillError `unsupported` when the template cannot be cut
 */
export function passagePromptOf({ tokenizer, chatTemplate, name }: ModelFiles, style: QuestionStyle): PassagePrompt {
  const [endId] = tokenizer.eosIds;
  if (endId === undefined)
    throw new KvDistillError("unsupported", "the model names no token that ends an answer", { where: name });
  const render =
    chatTemplate === undefined
      ? plainChat(tokenizer.decode([endId], { skipSpecial: false }))
      : (messages: Parameters<typeof renderChat>[1], options: Parameters<typeof renderChat>[2]) =>
          renderChat(chatTemplate, messages, options);
  return createPassagePrompt({
    render,
    encode: (parts) => tokenizer.encodeParts(parts),
    stopIds: tokenizer.eosIds,
    ask: QUESTION_STYLES[style],
  });
}
