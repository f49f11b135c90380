import { createDataReport } from "../../data/data-report.ts";
import { stylePrompts } from "../../data/prepare/prompts.ts";
import { OPENERS } from "../../data/self-study/ask-itself.ts";
import { TEXT_ENDINGS } from "../../data/self-study/read-texts.ts";
import { selfStudy, STUDY_KINDS } from "../../data/self-study/self-study.ts";
import { formatCount } from "../../util/format.ts";
import { withProgress } from "../../util/progress.ts";
import { defineCommand } from "../define-command.ts";
import { useModel } from "../model.ts";
import { jsonOption, modelOptions } from "../shared-options.ts";
import { argument, option, optionOr, requiredOption, text } from "../spec.ts";
import { choices } from "../values/choice.ts";
import { wholeNumber } from "../values/whole-number.ts";

export const prepareSelfStudyCommand = defineCommand({
  name: "self-study",
  summary: "rows made of any texts",
  description:
    `Cuts texts (${TEXT_ENDINGS.join(", ")}) into passages between paragraphs, and makes rows of them: repeat the passage, go on ` +
    "with it, and questions that the model asks itself and answers greedily from the full passage. Stopped at any moment, the " +
    "same command goes on.",
  arguments: { texts: argument("texts", "folder of text files, folders in it included, or one file") },
  options: {
    ...modelOptions,
    out: requiredOption("--out <file>", "JSON Lines that training reads; grows passage by passage", text),
    kinds: optionOr(
      "--kinds <list>",
      `what is made of a passage: ${STUDY_KINDS.join(", ")}`,
      choices(STUDY_KINDS),
      STUDY_KINDS,
      STUDY_KINDS.join(","),
    ),
    openers: optionOr(
      "--openers <list>",
      "words that questions begin with, one question each",
      choices(OPENERS),
      OPENERS.slice(0, 3),
      OPENERS.slice(0, 3).join(","),
    ),
    minContext: optionOr(
      "--min-context <n>",
      "least tokens of a passage; shorter ones are left out",
      wholeNumber(),
      40,
    ),
    maxContext: optionOr("--max-context <n>", "most tokens of a passage, template header included", wholeNumber(), 384),
    maxQuestion: optionOr("--max-question <n>", "tokens within which a question must end", wholeNumber(), 32),
    maxAnswer: optionOr("--max-answer <n>", "tokens after which an answer is cut", wholeNumber(), 48),
    limit: option("--limit <n>", "passages to study, from the first", wholeNumber()),
    licence: option("--licence <name>", "licence of the texts, for the rows", text),
    json: jsonOption,
  },
  examples: [
    ["prepare self-study notes --out rows.jsonl", "all kinds of rows of all texts in a folder"],
    ["prepare self-study books --kinds reconstruct,continue --out rows.jsonl", "rows that need no answering"],
  ],
  check: ({ options: { minContext, maxContext } }) =>
    minContext > maxContext ? [`--min-context: ${minContext} is above --max-context ${maxContext}`] : [],
  run: async ({ options, arguments: { texts } }, context) => {
    const { out, log, signal } = context;
    const report = createDataReport();
    await useModel(options, context, async (model) => {
      const result = await withProgress({ label: "self-study", unit: "passages" }, (progress) =>
        selfStudy({
          model,
          prompts: stylePrompts(model.files),
          texts,
          out: options.out,
          kinds: options.kinds,
          openers: options.openers,
          minContextTokens: options.minContext,
          maxContextTokens: options.maxContext,
          maxQuestionTokens: options.maxQuestion,
          maxAnswerTokens: options.maxAnswer,
          ...(options.limit === undefined ? {} : { limit: options.limit }),
          ...(options.licence === undefined ? {} : { licence: options.licence }),
          report,
          signal,
          onPassage: ({ texts: read, passages, rows }) => {
            const made = Object.values(rows).reduce((sum, count) => sum + count, 0);
            progress.update(passages, { texts: formatCount(read), rows: formatCount(made) });
          },
        }),
      );
      for (const line of report.lines()) log.warn(line);
      if (options.json) {
        out.json({ ...result, out: options.out, leftOut: report.counts() });
        return;
      }
      const made = Object.entries(result.rows).map(([kind, count]) => `${formatCount(count)} ${kind}`);
      out.line(`${formatCount(result.passages)} passages of ${formatCount(result.texts)} texts`);
      out.line(`rows written to ${options.out}: ${made.join(", ")}; ${formatCount(result.before)} were asked before`);
    });
  },
});
