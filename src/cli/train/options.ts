import { TRAIN_CONFIG_FIELDS, type ConfigField, type TrainConfig } from "../../train/config.ts";
import { linkOptions, queueOptions } from "../queue-options.ts";
import { DEFAULT_MODEL, jsonOption } from "../shared-options.ts";
import {
  flag,
  option,
  optionOr,
  type OptionSpec,
  type OptionValues,
  type Parser,
  requiredOption,
  text,
} from "../spec.ts";
import { choice } from "../values/choice.ts";
import { decimal } from "../values/decimal.ts";
import { filePaths } from "../values/file-paths.ts";
import { wholeNumber } from "../values/whole-number.ts";

const ownOptions = {
  model: option(
    "--model <name|path>",
    `pulled model, Hugging Face folder or .gguf file (default: ${DEFAULT_MODEL}; resuming: the run's)`,
    text,
  ),
  data: option(
    "--data <files>",
    "JSON Lines of questions with contexts, plain or gzip, separated by commas; or one token store (prepare)",
    filePaths,
  ),
  out: requiredOption("--out <folder>", "the run: checkpoints, metrics, loss curve, adapter", text),
  config: option("--config <file>", "JSON file of settings, such as a run's config.json; flags win over it", text),
  resume: flag("--resume", "go on with the run in --out as if it had never stopped"),
  init: option("--init <folder>", "adapter to start from, instead of new values", text),
  checkpointEvery: optionOr("--checkpoint-every <n>", "steps between checkpoints", wholeNumber(), 50),
  minutes: option(
    "--minutes <n>",
    "save and end after the step in which this time of training is up",
    decimal({ min: 0, max: 1e5, aboveMin: true }),
  ),
  threads: option("--threads <n>", "CPU threads (default: all that the process may use)", wholeNumber()),
  queue: queueOptions.queue,
  ...linkOptions,
  roundDeadline: option(
    "--round-deadline <seconds>",
    "with --queue and diloco: end a round with the parts that are done by then, at least one",
    decimal({ min: 0, max: 1e6, aboveMin: true }),
  ),
  json: jsonOption,
} as const;

/** A flag for every setting of the configuration. Ranges are the configuration's to check, with those of a file. */
const configOptions = Object.fromEntries(
  TRAIN_CONFIG_FIELDS.map((field) => [field.name, configOption(field)]),
) as Readonly<Record<keyof TrainConfig, OptionSpec<string | number | undefined>>>;

export const trainOptions = { ...ownOptions, ...configOptions };
export type TrainOptions = OptionValues<typeof trainOptions>;

/** The settings that the command line gives. */
export function givenSettings(options: TrainOptions): Partial<TrainConfig> {
  const given = TRAIN_CONFIG_FIELDS.flatMap(({ name }) => (options[name] === undefined ? [] : [[name, options[name]]]));
  return Object.fromEntries(given) as Partial<TrainConfig>;
}

function configOption({
  name,
  description,
  kind,
  words,
  fallback,
}: ConfigField): OptionSpec<string | number | undefined> {
  const parsers: Readonly<Record<ConfigField["kind"], Parser<string | number>>> = {
    "whole number": wholeNumber({ min: 0 }),
    decimal: decimal({ min: 0, max: Infinity }),
    word: choice(words),
  };
  const told = kind === "word" ? `${description}: ${words.join(", ")}` : description;
  return {
    ...option(`${flagOf(name)} <${kind === "word" ? "word" : "n"}>`, told, parsers[kind]),
    shown: String(fallback),
  };
}

/** `scorerLearningRate` -> `--scorer-learning-rate`. */
function flagOf(name: string): string {
  return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
