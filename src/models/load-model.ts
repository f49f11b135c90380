import { createRuntime, type RuntimeOptions } from "../runtime/runtime.ts";
import { LanguageModel } from "./language-model.ts";
import type { ModelFiles } from "./model-files.ts";
import { openModel } from "./open.ts";
import { createPassagePrompt, type PassagePrompt, QUESTION_STYLES, type QuestionStyle } from "./passage-prompt.ts";
import type { ModelReporter } from "./progress.ts";
import { rendererOf } from "./renderer-of.ts";

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
export function passagePromptOf(files: ModelFiles, style: QuestionStyle): PassagePrompt {
  const { tokenizer } = files;
  return createPassagePrompt({
    render: rendererOf(files),
    encode: (parts) => tokenizer.encodeParts(parts),
    stopIds: tokenizer.eosIds,
    ask: QUESTION_STYLES[style],
  });
}
