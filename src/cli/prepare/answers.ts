import { createDataReport } from "../../data/data-report.ts";
import { prepareAnswers, type PrepareAnswersOptions } from "../../data/prepare/prepare-answers.ts";
import { preparedRows, startInputReports } from "../../data/prepare/prepared-rows.ts";
import { sourceNamed } from "../../data/sources/index.ts";
import { answersByQueue } from "../../distribute/answers-by-queue.ts";
import { withLink } from "../../distribute/link.ts";
import { fileMemory } from "../../distribute/run/memory.ts";
import { passagePromptOf } from "../../models/load-model.ts";
import { formatCount } from "../../util/format.ts";
import { withProgress } from "../../util/progress.ts";
import { defineCommand } from "../define-command.ts";
import { useModel } from "../model.ts";
import { linkSettings, queueFaults, queueOptions } from "../queue-options.ts";
import { withRunProgress } from "../run-progress.ts";
import { jsonOption, modelOptions } from "../shared-options.ts";
import { option, optionalRest, optionOr, requiredOption, text } from "../spec.ts";
import { filePaths } from "../values/file-paths.ts";
import { wholeNumber } from "../values/whole-number.ts";
import { INPUTS_HELP, locateInputs, parseInputs } from "./inputs.ts";
import { rowChoice, rowFaults, rowOptions } from "./row-options.ts";
import { rowsJson, tellRows } from "./tell-rows.ts";

/** How the questions are put, whatever a row says. */
const STYLE = "short-answer";

export const prepareAnswersCommand = defineCommand({
  name: "answers",
  summary: "rows with the model's own answers",
  description:
    "Writes the rows of data files again with the model's own greedy answers, read from the full text: what a student of the " +
    "model is to say. Stopped at any moment, the same command goes on; a question is asked once, also when its answer was " +
    "empty (those are in the file OUT.none).",
  arguments: { inputs: optionalRest("inputs", INPUTS_HELP) },
  options: {
    ...modelOptions,
    data: option("--data <files>", "short for inputs triples=FILE, separated by commas", filePaths),
    out: requiredOption("--out <file>", "JSON Lines that training reads; grows passage by passage", text),
    maxAnswer: optionOr("--max-answer <n>", "tokens after which an answer is cut", wholeNumber(), 48),
    maxContext: optionOr(
      "--max-context <n>",
      "longest context in tokens; longer ones are left out",
      wholeNumber(),
      384,
    ),
    limit: option("--limit <n>", "passages to answer, from the first", wholeNumber()),
    ...rowOptions,
    ...queueOptions,
    json: jsonOption,
  },
  examples: [
    ["prepare answers --data train.jsonl.gz --out answers.jsonl", "answers of the default model"],
    ["prepare answers squad=train-v1.1.json --max-rows 5000 --out answers.jsonl", "to a sample of SQuAD's questions"],
  ],
  check: ({ options, arguments: given }) => {
    const words = inputWords(given.inputs, options.data);
    return [
      ...(words.length === 0 ? ["<inputs> or --data: missing"] : []),
      ...parseInputs(words).faults,
      ...rowFaults(options, words.length),
      ...queueFaults(options),
    ];
  },
  run: async ({ options, arguments: given }, context) => {
    const { out, log, signal } = context;
    const report = createDataReport();
    const { inputs: named } = parseInputs(inputWords(given.inputs, options.data));
    const inputs = startInputReports(await locateInputs(named, context));
    const choice = await rowChoice(options, log);
    await useModel(options, context, async (model) => {
      const asked: PrepareAnswersOptions = {
        model,
        prompt: passagePromptOf(model.files, STYLE),
        rows: preparedRows({ ...choice, inputs, signal }),
        out: options.out,
        maxAnswerTokens: options.maxAnswer,
        maxContextTokens: options.maxContext,
        ...(options.limit === undefined ? {} : { limit: options.limit }),
        report,
        signal,
      };
      const link = linkSettings(options);
      const result = await (link === undefined
        ? withProgress({ label: "answers", unit: "passages" }, (progress) =>
            prepareAnswers({
              ...asked,
              onPassage: ({ passages, total, answered }) => {
                progress.update(passages, { of: formatCount(total), answers: formatCount(answered) });
              },
            }),
          )
        : withLink(link, log, (own) =>
            withRunProgress(context, "answers", (follow) =>
              prepareAnswers({
                ...asked,
                answer: answersByQueue({
                  link: own,
                  model,
                  style: STYLE,
                  maxTokens: options.maxAnswer,
                  title: `prepare answers ${options.out}`,
                  shardSize: options.shard,
                  memory: fileMemory(`${options.out}.queue.json`),
                  signal,
                  ...follow,
                }),
              }),
            ),
          ));
      for (const line of report.lines()) log.warn(line);
      if (options.json) {
        out.json({ ...result, out: options.out, inputs: rowsJson(inputs), leftOut: report.counts() });
        return;
      }
      tellRows(inputs, context);
      out.line(
        `${formatCount(result.answered)} answers written to ${options.out}, ${formatCount(result.before)} questions were asked before`,
      );
      out.line(
        `${formatCount(result.cut)} cut at ${options.maxAnswer} tokens, ${formatCount(result.empty)} empty and left out`,
      );
    });
  },
});

function inputWords(inputs: readonly string[], data: readonly string[] = []): string[] {
  const { name } = sourceNamed("triples");
  return [...inputs, ...data.map((path) => `${name}=${path}`)];
}
