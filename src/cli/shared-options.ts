import { PRECISIONS } from "../models/precision/precision.ts";
import { DEVICES } from "../runtime/options.ts";
import { flag, option, optionOr, text } from "./spec.ts";
import { choice } from "./values/choice.ts";
import { wholeNumber } from "./values/whole-number.ts";

export const DEFAULT_MODEL = "smollm2-135m-instruct";

/** Which model runs, and where: `...modelOptions` among a command's options, then `useModel`. */
export const modelOptions = {
  model: optionOr("--model <name|path>", "pulled model, Hugging Face folder or .gguf file", text, DEFAULT_MODEL),
  device: optionOr("--device <device>", `where to compute: ${DEVICES.join(", ")}`, choice(DEVICES), "cpu"),
  threads: option("--threads <n>", "CPU threads (default: all that the process may use)", wholeNumber()),
} as const;

export const jsonOption = flag("--json", "results and errors for machines, one JSON object a line");

/** The same for commands that read and answer, and what in. */
export const readingOptions = {
  ...modelOptions,
  precision: optionOr(
    "--precision <precision>",
    `what the model computes in: ${PRECISIONS.join(", ")}; int8 reads and decodes faster, int4 decodes alone, both a little less exact`,
    choice(PRECISIONS),
    "fp32",
  ),
} as const;

/** A trained compressor. */
export const adapterOption = option("--adapter <folder>", "adapter folder (docs/formats/adapter.md)", text);
