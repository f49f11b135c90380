import { DEFAULT_OVERLAP, readEvaluationShingles } from "../../data/prepare/decontaminate.ts";
import { DEDUPLICATIONS } from "../../data/prepare/deduplicate.ts";
import type { RowChoice } from "../../data/prepare/prepared-rows.ts";
import { placeText } from "../../data/passage.ts";
import { formatCount } from "../../util/format.ts";
import type { Logger } from "../../util/log.ts";
import { option, optionOr, type OptionValues } from "../spec.ts";
import { choice } from "../values/choice.ts";
import { filePaths } from "../values/file-paths.ts";
import { positiveNumbers } from "../values/numbers.ts";
import { seed, wholeNumber } from "../values/whole-number.ts";

/** Which rows of the inputs are taken. */
export const rowOptions = {
  maxRows: option(
    "--max-rows <n>",
    "at most this many rows, drawn evenly from all (default: every row)",
    wholeNumber(),
  ),
  weights: option("--weights <list>", "parts of --max-rows for each input, in their order: 2,1", positiveNumbers),
  seed: optionOr("--seed <n>", "of the draw", seed, 0),
  deduplicate: optionOr(
    "--deduplicate <by>",
    `which rows are duplicates: same context and question, same context, none: ${DEDUPLICATIONS.join(", ")}`,
    choice(DEDUPLICATIONS),
    "question",
  ),
  decontaminate: option("--decontaminate <files>", "evaluation files whose texts must not be trained on", filePaths),
  overlapWords: optionOr(
    "--overlap-words <n>",
    "words of a run that is compared",
    wholeNumber(),
    DEFAULT_OVERLAP.words,
  ),
  overlapThreshold: optionOr(
    "--overlap-threshold <n>",
    "shared runs from which on a row is left out",
    wholeNumber(),
    DEFAULT_OVERLAP.threshold,
  ),
} as const;

type RowOptions = OptionValues<typeof rowOptions>;

/** What is wrong with the options taken together. */
export function rowFaults({ weights, maxRows }: RowOptions, inputs: number): string[] {
  if (weights === undefined) return [];
  return [
    ...(maxRows === undefined ? ["--weights: needs --max-rows, the number of rows to share out"] : []),
    ...(weights.length === inputs
      ? []
      : [`--weights: expected one for each of ${inputs} inputs, got ${weights.length}`]),
  ];
}

/**
 * The options as what the preparation takes; reads the evaluation files.
 * @throws KvDistillError as `readEvaluationShingles`
 */
export async function rowChoice(
  { maxRows, weights, seed: drawn, deduplicate, decontaminate, overlapWords, overlapThreshold }: RowOptions,
  log: Logger,
): Promise<RowChoice> {
  const rule = { words: overlapWords, threshold: overlapThreshold };
  const evaluation =
    decontaminate === undefined
      ? undefined
      : await readEvaluationShingles(decontaminate, rule, (fault) => {
          log.warn(`not compared with: ${placeText(fault)}: ${fault.fault}`);
        });
  if (evaluation !== undefined) {
    log.info(
      `comparing with ${formatCount(evaluation.size)} runs of ${overlapWords} words of ${evaluation.files.join(", ")}`,
    );
  }
  return {
    deduplicate,
    seed: drawn,
    ...(maxRows === undefined ? {} : { maxRows }),
    ...(weights === undefined ? {} : { weights }),
    ...(evaluation === undefined ? {} : { evaluation }),
  };
}
