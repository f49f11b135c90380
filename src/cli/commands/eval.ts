import { findShippedAdapter } from "../../cache/shipped-adapter.ts";
import { METHOD_NAMES } from "../../compress/methods/index.ts";
import { FOLD_TOKENS } from "../../compress/fold.ts";
import { breakdownTable, differencesTable, intervalNote, resultsTable } from "../../evaluate/report/tables.ts";
import { DEFAULT_GOLD_TOKENS, MEASURED_METHOD_NAMES } from "../../evaluate/run/config.ts";
import { evaluate as runEvaluation, type EvaluateOptions, type EvaluationResult } from "../../evaluate/run/evaluate.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import { isKvDistillError, KvDistillError } from "../../util/errors.ts";
import { formatCount } from "../../util/format.ts";
import { LOG_LEVELS } from "../../util/log.ts";
import { printable } from "../../util/printable.ts";
import { type Progress, startProgress } from "../../util/progress.ts";
import { quote } from "../../util/quote.ts";
import { renderTable } from "../../util/table.ts";
import type { CommandContext } from "../context.ts";
import { defineCommand } from "../define-command.ts";
import { TASK_NAMES, taskFaults, taskFrom, taskHelp, taskOptions } from "../eval/task-options.ts";
import { openAdapter, useModel } from "../model.ts";
import { adapterOption, jsonOption, modelOptions } from "../shared-options.ts";
import { argument, flag, option, optionOr, type Parser, text } from "../spec.ts";
import { keepFractions } from "../values/keep.ts";
import { seed, wholeNumber } from "../values/whole-number.ts";

const FAILURES_SHOWN = 10;

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

export const evaluate = defineCommand({
  name: "eval",
  summary: "measure what compression loses, method by method",
  description:
    "Asks every question of a task of each method's compressed cache, greedily and with one prompt, and compares with the full cache. " +
    `Tasks, with the options that are theirs: ${taskHelp()} Files may be plain or gzip. ` +
    "With --json the last line of stdout holds all results.",
  arguments: { task: argument("task", `what to measure: ${TASK_NAMES.join(", ")}`) },
  options: {
    ...modelOptions,
    adapter: {
      ...adapterOption,
      description: `${adapterOption.description}; default: the package's own for this model`,
    },
    ...taskOptions,
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
    fold: flag(
      "--fold",
      `methods compress fold by fold, folds of ${FOLD_TOKENS} tokens; the full cache is never folded`,
    ),
    foldTokens: option("--fold-tokens <n>", "the same with folds of n tokens", wholeNumber()),
    seed: optionOr("--seed <n>", "for random, the bootstrap and generated tasks", seed, 0),
    out: option("--out <folder>", "write rows as they come, and reports: result.json, predictions.csv, plots", text),
    resume: flag("--resume", "go on with the run in --out"),
    json: jsonOption,
  },
  examples: [
    ["eval squad --data dev-v1.1.json --limit 100 --keep 25%", "every training-free method on 100 questions"],
    [
      "eval squad --data dev.jsonl.gz --keep 50%,25%,10% --adapter run/adapter --out run/eval",
      "with intervals and plots",
    ],
    ["eval squad --data dev.jsonl.gz --keep 50%,25%,10% --adapter run/adapter --out run/eval --resume", "after Ctrl-C"],
  ],
  check: ({ options, arguments: { task } }) => [
    ...taskFaults(task, options),
    ...(options.resume && options.out === undefined ? ["--resume needs --out, the folder of the run"] : []),
  ],
  run: async ({ options, arguments: { task: name } }, context) => {
    const { log, out } = context;
    const task = taskFrom(name, options);
    const fold = options.foldTokens ?? (options.fold ? FOLD_TOKENS : undefined);
    await useModel(options, context, async (model) => {
      const methods = options.methods ?? (await usableMethods(model, options.adapter));
      if (options.adapter !== undefined && !methods.includes("kv-distill")) {
        log.warn("--adapter is not used: kv-distill is not among the methods");
      }
      for (const name of ["full", "none"].filter((name) => !methods.includes(name))) {
        log.warn(`without the method ${name} the figures have no ${name === "full" ? "ceiling" : "floor"} beside them`);
      }
      const adapter = methods.includes("kv-distill") ? await openAdapter(model, options.adapter) : undefined;
      try {
        const result = await withAnswerProgress(context, options, (onProgress) =>
          runEvaluation({
            model,
            task,
            config: {
              limit: options.limit ?? null,
              methods,
              keeps: options.keep,
              seed: options.seed,
              maxNewTokens: options.maxNewTokens ?? null,
              ...(fold === undefined ? {} : { fold }),
              ...(options.goldTokens === undefined ? {} : { goldTokens: options.goldTokens }),
            },
            ...(adapter === undefined ? {} : { adapter }),
            ...(options.out === undefined ? {} : { out: options.out }),
            resume: options.resume,
            command: ["kv-distill", ...process.argv.slice(2)].join(" "),
            signal: context.signal,
            onProgress,
            onNote: (line) => {
              log.warn(line);
            },
          }),
        );
        tellFailures(result, context);
        if (options.out !== undefined) log.info(`rows and reports are in ${options.out}`);
        const report = reportText(result, context);
        if (options.json) {
          log.info(report);
          out.json({ results: result.results });
        } else {
          out.line(report);
        }
      } finally {
        adapter?.release();
      }
    });
  },
});

/** All methods; kv-distill only where there is an adapter for it. */
async function usableMethods(model: LanguageModel, adapter: string | undefined): Promise<readonly string[]> {
  const trained = adapter !== undefined || (await findShippedAdapter(model.files.hash)) !== undefined;
  return METHOD_NAMES.filter((name) => trained || name !== "kv-distill");
}

/** Runs `work` with a progress line that begins when it is known how much there is to do. */
async function withAnswerProgress<T>(
  { log }: CommandContext,
  { out, resume }: { readonly out: string | undefined; readonly resume: boolean },
  work: (onProgress: NonNullable<EvaluateOptions["onProgress"]>) => Promise<T>,
): Promise<T> {
  const quiet = LOG_LEVELS.indexOf(log.level) < LOG_LEVELS.indexOf("info");
  let progress: Progress | undefined;
  let state = "";
  try {
    return await work((done, total, latest) => {
      state = `${done} of ${total} answers are there`;
      if (quiet) return;
      if (progress === undefined && resume) log.info(state);
      progress ??= startProgress({ label: "eval", unit: "answers", total, done });
      const last = latest.at(-1);
      progress.update(done, last === undefined ? {} : { on: last.method });
    });
  } catch (error) {
    if (!isKvDistillError(error) || error.code !== "cancelled") throw error;
    const hint = out === undefined ? "with --out an evaluation can be stopped and resumed" : "go on by --resume";
    throw new KvDistillError("cancelled", `the evaluation was stopped; ${state}`, { hint, cause: error });
  } finally {
    progress?.stop();
  }
}

function tellFailures({ failures }: EvaluationResult, { log }: CommandContext): void {
  if (failures.length === 0) return;
  log.warn(`${failures.length} answers failed and count as wrong:`);
  for (const { id, method, failure } of failures.slice(0, FAILURES_SHOWN)) {
    log.warn(`  ${id}, ${method}: ${failure?.message ?? ""}`);
  }
  if (failures.length > FAILURES_SHOWN) log.warn(`  … and ${failures.length - FAILURES_SHOWN} more`);
}

function reportText(result: EvaluationResult, { out: { width, colours } }: CommandContext): string {
  const style = { ...(width === undefined ? {} : { width }), colours };
  const differences = differencesTable(result);
  const breakdown = breakdownTable(result);
  return [
    printable(`${result.model}, ${counted(result.questions, "question")} about ${counted(result.passages, "passage")}`),
    renderTable(resultsTable(result), style),
    ...(breakdown === undefined ? [] : [renderTable(breakdown, style)]),
    ...(differences.rows.length === 0 ? [] : [renderTable(differences, style)]),
    intervalNote(result),
  ].join("\n");
}

function counted(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}
