import { createRuntime, type RuntimeOptions } from "../runtime/runtime.ts";
import { LanguageModel } from "./language-model.ts";
import { KvDistillError } from "../util/errors.ts";
import { openModel } from "./open.ts";
import type { Precision } from "./precision/precision.ts";
import { quantisedCopy } from "./precision/quantised-copy.ts";
import type { ModelReporter } from "./progress.ts";

export { passagePromptOf } from "./passage-prompt-of.ts";

export interface LoadModelOptions extends RuntimeOptions, ModelReporter {
  /** What reading is computed in, not training. Default fp32. */
  readonly precision?: Precision;
}

/**
 * Opens a model (a pulled name, a Hugging Face folder, a .gguf file) and starts its runtime. The runtime goes first: a missing device is
 * told before a model is converted for minutes.
 * @throws KvDistillError as `openModel`, `createRuntime` and `quantisedCopy` do; `unsupported` for less than float32 beyond the processor
 */
export async function loadModel(
  nameOrPath: string,
  { onProgress, onWarning, precision = "fp32", ...runtimeOptions }: LoadModelOptions = {},
): Promise<LanguageModel> {
  const runtime = await createRuntime(runtimeOptions);
  try {
    if (precision !== "fp32" && runtime.device !== "cpu") {
      throw new KvDistillError("unsupported", "only the processor computes with less than float32", {
        where: "precision",
        expected: "device cpu, or precision fp32",
        got: `${precision} on ${runtime.device}`,
      });
    }
    const reporter = { ...(onProgress && { onProgress }), ...(onWarning && { onWarning }) };
    const files = await openModel(nameOrPath, reporter);
    if (precision === "fp32") return new LanguageModel(files, runtime);
    return new LanguageModel(files, runtime, await quantisedCopy(files, precision, runtime, reporter));
  } catch (error) {
    await runtime.close();
    throw error;
  }
}
