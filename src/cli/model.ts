import { loadAdapter } from "../cache/load-adapter.ts";
import { shippedAdapter } from "../compress/compress-text.ts";
import { attachAdapter, type LoadedAdapter } from "../compress/loaded-adapter.ts";
import type { LanguageModel } from "../models/language-model.ts";
import { loadModel } from "../models/load-model.ts";
import type { ModelFiles } from "../models/model-files.ts";
import { openModel } from "../models/open.ts";
import type { Precision, RoundedPrecision } from "../models/precision/precision.ts";
import type { CommandContext } from "./context.ts";
import { withModelProgress } from "./model-progress.ts";
import type { modelOptions } from "./shared-options.ts";
import type { OptionValues } from "./spec.ts";

const PRECISION_NOTES: Readonly<Record<RoundedPrecision, string>> = {
  int8: "reads and answers in 8 bits",
  int4: "answers in 4 bits, reads long texts in float32",
};

/**
 * Loads the model that the options name, runs `work` with it and closes it.
 * @throws KvDistillError as `loadModel` and `work`
 */
export async function useModel<T>(
  {
    model,
    device,
    threads,
    precision = "fp32",
  }: OptionValues<typeof modelOptions> & { readonly precision?: Precision },
  { log }: Pick<CommandContext, "log">,
  work: (model: LanguageModel) => Promise<T>,
): Promise<T> {
  const loaded = await withModelProgress(log, (reporter) =>
    loadModel(model, { device, precision, ...(threads === undefined ? {} : { threads }), ...reporter }),
  );
  if (precision !== "fp32") log.info(`computed in ${precision}: ${PRECISION_NOTES[precision]}`);
  log.debug(`model ${loaded.files.name}: sha256 ${loaded.files.hash}, ${loaded.files.folder}`);
  try {
    return await work(loaded);
  } finally {
    await loaded.close();
  }
}

/** A model's files alone, checked, without starting a runtime: configuration, tokenizer, hashes. */
export function openModelFiles(nameOrPath: string, { log }: Pick<CommandContext, "log">): Promise<ModelFiles> {
  return withModelProgress(log, (reporter) => openModel(nameOrPath, reporter));
}

/**
 * Loads an adapter and puts it where the model runs; the caller releases it.
 * @throws KvDistillError as `loadAdapter`: `model-mismatch` for another model's adapter
 */
export async function openAdapter(
  model: LanguageModel,
  folder: string | undefined,
  options: { readonly exportable?: boolean } = {},
): Promise<LoadedAdapter> {
  const { files } = model;
  return attachAdapter(
    model,
    folder === undefined ? await shippedAdapter(files, options) : await loadAdapter(folder, { expectModel: files }),
  );
}
