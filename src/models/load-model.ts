import { createRuntime, type RuntimeOptions } from "../runtime/runtime.ts";
import { LanguageModel } from "./language-model.ts";
import { openModel } from "./open.ts";
import type { ModelReporter } from "./progress.ts";

export { passagePromptOf } from "./passage-prompt-of.ts";

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
