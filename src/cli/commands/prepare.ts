import { createDataReport } from "../../data/data-report.ts";
import { prepareAnswers } from "../../data/prepare-answers.ts";
import { passagePromptOf } from "../../models/load-model.ts";
import { formatCount } from "../../util/format.ts";
import { withProgress } from "../../util/progress.ts";
import { defineCommand } from "../define-command.ts";
import { useModel } from "../model.ts";
import { jsonOption, modelOptions } from "../shared-options.ts";
import { argument, option, optionOr, requiredOption, text } from "../spec.ts";
import { filePaths } from "../values/file-paths.ts";
import { wholeNumber } from "../values/whole-number.ts";

export const prepare = defineCommand({
  name: "prepare",
  summary: "training data: the model's own answers to questions",
  description:
    "answers: writes the rows of data files again with the model's own greedy answers, read from the full text: what a " +
    "student of the model is to say. Stopped at any moment, the same command goes on.",
  arguments: { what: argument("what", "answers") },
  options: {
    ...modelOptions,
    data: requiredOption(
      "--data <files>",
      "JSON Lines of questions with contexts, plain or gzip, separated by commas",
      filePaths,
    ),
    out: requiredOption("--out <file>", "JSON Lines that training reads; grows passage by passage", text),
    maxAnswer: optionOr("--max-answer <n>", "tokens after which an answer is cut", wholeNumber(), 48),
    maxContext: optionOr(
      "--max-context <n>",
      "longest context in tokens; longer ones are left out",
      wholeNumber(),
      384,
    ),
    limit: option("--limit <n>", "passages to answer, from the first", wholeNumber()),
    json: jsonOption,
  },
  examples: [["prepare answers --data train.jsonl.gz --out answers.jsonl", "answers of the default model"]],
  check: ({ arguments: { what } }) => (what === "answers" ? [] : [`<what>: expected answers; got "${what}"`]),
  run: async ({ options }, { out, log, signal }) => {
    const report = createDataReport();
    await useModel(options, { log }, async (model) => {
      const result = await withProgress({ label: "answers", unit: "passages" }, (progress) =>
        prepareAnswers({
          model,
          prompt: passagePromptOf(model.files, "short-answer"),
          data: options.data,
          out: options.out,
          maxAnswerTokens: options.maxAnswer,
          maxContextTokens: options.maxContext,
          ...(options.limit === undefined ? {} : { limit: options.limit }),
          report,
          signal,
          onPassage: ({ passages, total, answered }) => {
            progress.update(passages, { of: formatCount(total), answers: formatCount(answered) });
          },
        }),
      );
      for (const line of report.lines()) log.warn(line);
      if (options.json) out.json({ ...result, out: options.out, leftOut: report.counts() });
      else {
        out.line(
          `${formatCount(result.answered)} answers written to ${options.out}, ${formatCount(result.before)} were there`,
        );
        out.line(
          `${formatCount(result.cut)} cut at ${options.maxAnswer} tokens, ${formatCount(result.empty)} empty and left out`,
        );
      }
    });
  },
});
