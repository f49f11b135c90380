import { createRuntime, type RuntimeOptions } from "../runtime/runtime.ts";
import { LanguageModel } from "./language-model.ts";
import type { ModelFiles } from "./model-files.ts";
import { openModel } from "./open.ts";
import { createPassagePrompt, type PassagePrompt, QUESTION_STYLES, type QuestionStyle } from "./passage-prompt.ts";
import type { ModelReporter } from "./progress.ts";
import { rendererOf } from "./renderer-of.ts";

export interface LoadModelOptions extends RuntimeOptions, ModelReporter {}

/**
 * Opens a model (a pulled name, a Hugging Face folder, a .gguf file) and starts its runtime. The runtime goes first: a missing device is
 * told before a model is converted for minutes.
 * @throws KvDistillError as `openModel` and `createRuntime` do.
 */
export async function loadModel(
  nameOrPath: string,
  { onProgress, onWarning, ...runtimeOptions }: LoadModelOptions = {},
): Promise<LanguageModel> {
  const runtime = await createRuntime(runtimeOptions);
  try {
    const reporter = { ...(onProgress && { onProgress }), ...(onWarning && { onWarning }) };
    return new LanguageModel(await openModel(nameOrPath, reporter), runtime);
  } catch (error) {
    await runtime.close();
    throw error;
  }
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
