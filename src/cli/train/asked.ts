import { join } from "node:path";
import type { Adapter } from "../../cache/adapter.ts";
import { loadAdapter } from "../../cache/load-adapter.ts";
import { checkpointSteps } from "../../train/checkpoint.ts";
import { settingsFrom } from "../../train/check-run.ts";
import { parseTrainConfig, type TrainConfig } from "../../train/config.ts";
import { storeSettings } from "../../train/run-data.ts";
import { readRunConfig, readRunRecord } from "../../train/run-files.ts";
import { KvDistillError } from "../../util/errors.ts";
import { readTextFile } from "../../util/read-text.ts";
import { isJsonObject, parseStrictJson } from "../../util/strict-json.ts";
import { DEFAULT_MODEL } from "../shared-options.ts";
import { givenSettings, type TrainOptions } from "./options.ts";

const MAX_CONFIG_BYTES = 1 << 20;

/** What is to be trained on what, however it was said. */
export interface AskedRun {
  readonly model: string;
  readonly data: readonly string[];
  readonly config: TrainConfig;
  readonly start?: Adapter;
  readonly init?: string;
}

/**
 * Brings together flags, the configuration file, the adapter to start from, and the run to go on with.
 * @throws KvDistillError `bad-argument` with all faults of the settings, `not-found` when there is no run to go on with, `bad-file`, `disk`
 */
export async function askedRun(options: TrainOptions): Promise<AskedRun> {
  return options.resume ? resumedRun(options) : newRun(options);
}

async function newRun(options: TrainOptions): Promise<AskedRun> {
  const { init, model = DEFAULT_MODEL, data = [] } = options;
  const start = init === undefined ? undefined : await loadAdapter(init);
  const config = parseTrainConfig(
    {
      ...(start === undefined ? {} : settingsFrom(start)),
      ...(await storeSettings(data)),
      ...(await fileSettings(options)),
      ...givenSettings(options),
    },
    "settings",
  );
  return { model, data, config, ...(start === undefined ? {} : { start }), ...(init === undefined ? {} : { init }) };
}

/** Settings that differ from the run's are refused when its checkpoint is read. */
async function resumedRun(options: TrainOptions): Promise<AskedRun> {
  const { model, data, init } = await readRunRecord(options.out);
  const before = await readRunConfig(options.out);
  const config = parseTrainConfig(
    { ...before, ...(await fileSettings(options)), ...givenSettings(options) },
    "settings",
  );
  // Stopped before its first values were saved, the run needs what they were made of.
  const needed = init !== undefined && (await checkpointSteps(join(options.out, "checkpoints"))).length === 0;
  return {
    model: options.model ?? model.name,
    data: options.data ?? data.files,
    config,
    ...(needed ? { start: await loadAdapter(init), init } : {}),
  };
}

async function fileSettings({ config: path }: TrainOptions): Promise<Record<string, unknown>> {
  if (path === undefined) return {};
  const json = parseStrictJson(await readTextFile(path, MAX_CONFIG_BYTES), path, { maxDepth: 8, maxKeys: 1000 });
  if (isJsonObject(json)) return json;
  throw new KvDistillError("bad-file", "not a configuration", { where: path, expected: "a JSON object of settings" });
}
