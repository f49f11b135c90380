import { FOLD_TOKENS } from "../../compress/fold.ts";
import { DEFAULT_GOLD_TOKENS, MEASURED_METHOD_NAMES } from "../../evaluate/run/config.ts";
import { KvDistillError } from "../../util/errors.ts";
import { quote } from "../../util/quote.ts";
import { queueFaults, queueOptions } from "../queue-options.ts";
import { adapterOption, jsonOption, readingOptions } from "../shared-options.ts";
import { flag, option, optionOr, type OptionValues, type Parser, text } from "../spec.ts";
import { keepFractions } from "../values/keep.ts";
import { seed, wholeNumber } from "../values/whole-number.ts";

/** Methods, separated by commas, none twice; everything that is wrong with the list is told at once. */
const methodList: Parser<readonly string[]> = (given) => {
  const names = given.split(",").map((part) => part.trim());
  const unknown = names.filter((name) => !MEASURED_METHOD_NAMES.includes(name)).map(quote);
  const twice = names.filter((name, i) => names.indexOf(name) !== i).map((name) => `${quote(name)} twice`);
  if (unknown.length + twice.length === 0) return names;
  throw new KvDistillError("bad-argument", "not a list of methods", {
    expected: `some of ${MEASURED_METHOD_NAMES.join(", ")}, each at most once`,
    got: [...unknown, ...twice].join(", "),
  });
};

const folderList: Parser<readonly string[]> = (given) => {
  const folders = given.split(",").map((part) => part.trim());
  if (folders.every((folder) => folder !== "")) return folders;
  throw new KvDistillError("bad-argument", "not a list of folders", {
    expected: "folders, separated by commas",
    got: quote(given),
  });
};

/** Options of an evaluation, whatever the task. */
export const runOptions = {
  ...readingOptions,
  adapter: {
    ...adapterOption,
    description: `${adapterOption.description}; default: the package's own for this model`,
  },
  limit: option("--limit <n>", "the first questions of the task (default: all)", wholeNumber()),
  keep: optionOr("--keep <list>", "kept parts, such as 50%,25%,10%", keepFractions, [0.25], "25%"),
  methods: option(
    "--methods <list>",
    `some of ${MEASURED_METHOD_NAMES.join(",")} (default: all that do not see the question; kv-distill where there is an adapter)`,
    methodList,
  ),
  maxNewTokens: option("--max-new-tokens <n>", "tokens of an answer (default: as the task says)", wholeNumber()),
  goldTokens: option(
    "--gold-tokens <n>",
    `tokens of a gold answer to compare predictions at (default: ${DEFAULT_GOLD_TOKENS})`,
    wholeNumber(),
  ),
  fold: flag("--fold", `methods compress fold by fold, folds of ${FOLD_TOKENS} tokens; the full cache is never folded`),
  foldTokens: option("--fold-tokens <n>", "the same with folds of n tokens", wholeNumber()),
  seed: optionOr("--seed <n>", "for random, the bootstrap and generated tasks", seed, 0),
  out: option("--out <folder>", "write rows as they come, and reports: result.json, predictions.csv, plots", text),
  resume: flag("--resume", "go on with the run in --out"),
  reuse: option("--reuse <folders>", "take over what other runs of the same questions have measured", folderList),
  ...queueOptions,
  json: jsonOption,
} as const;

export type RunOptions = OptionValues<typeof runOptions>;

/** What is wrong with options that are good each for itself. */
export function runFaults(options: RunOptions): string[] {
  const { resume, out } = options;
  return [
    ...(resume && out === undefined ? ["--resume needs --out, the folder of the run"] : []),
    ...queueFaults(options),
  ];
}
