import type { LanguageModel } from "../models/language-model.ts";
import type { PassagePrompt } from "../models/passage-prompt.ts";
import { KvDistillError } from "../util/errors.ts";
import { openAnswerFile } from "./answer-file.ts";
import type { DataReport } from "./data-report.ts";
import { groupPassages } from "./group-passages.ts";
import type { Passage } from "./passage.ts";
import { readRows } from "./read-rows.ts";
import { selfAnswers } from "./self-answers.ts";

export interface PrepareAnswersOptions {
  readonly model: LanguageModel;
  readonly prompt: PassagePrompt;
  /** JSON Lines of questions with contexts, plain or gzip. */
  readonly data: readonly string[];
  /** Grows passage by passage; questions that are in it already are passed over. */
  readonly out: string;
  readonly maxAnswerTokens: number;
  /** Passages with longer contexts, in tokens, are left out. */
  readonly maxContextTokens: number;
  /** Stop after this many passages of the data. */
  readonly limit?: number;
  readonly report: DataReport;
  readonly signal?: AbortSignal;
  readonly onPassage?: (done: PreparedAnswers) => void;
}

export interface PreparedAnswers {
  /** Passages looked at, and how many there are. */
  readonly passages: number;
  readonly total: number;
  /** Questions answered now. */
  readonly answered: number;
  /** Questions that were answered before. */
  readonly before: number;
  /** Answers without a letter, left out. */
  readonly empty: number;
  /** Answers cut at the limit of tokens. */
  readonly cut: number;
}

/**
 * Writes the rows of data files again with the model's own greedy answers. Stopped at any moment, a second call goes on.
 * @throws KvDistillError `cancelled` with what was done kept, `disk`, and what `readRows` and the engine throw
 */
export async function prepareAnswers(options: PrepareAnswersOptions): Promise<PreparedAnswers> {
  const { model, prompt, out, report, signal, maxAnswerTokens: maxTokens } = options;
  const passages = await readPassages(options);
  const file = await openAnswerFile(out);
  let state: PreparedAnswers = { passages: 0, total: passages.length, answered: 0, before: 0, empty: 0, cut: 0 };
  try {
    for (const { id, context, source, questions } of passages) {
      if (signal?.aborted === true) {
        throw new KvDistillError("cancelled", "answering was stopped", {
          got: `${state.answered} answers in ${out}`,
          hint: "the same command goes on",
        });
      }
      const open = questions.filter((question) => !file.answered.has(question.id));
      const tokens = prompt.contextIds(context).length;
      if (tokens > options.maxContextTokens) {
        report.onLeftOut({ reason: "context-too-long", id, tokens, limit: options.maxContextTokens });
      } else if (open.length > 0) {
        const asked = { context, questions: open.map(({ question }) => question) };
        const answers = await selfAnswers(model, prompt, asked, { maxTokens });
        const rows = open.flatMap(({ id: questionId, question }, i) => {
          const answer = answers[i];
          if (answer === undefined || answer.text === "") return [];
          const row = { id: questionId, source, context, question, answer: answer.text };
          return [{ ...row, answer_cut: answer.finish === "length", answered_by: model.files.name }];
        });
        await file.append(rows);
        state = {
          ...state,
          answered: state.answered + rows.length,
          empty: state.empty + open.length - rows.length,
          cut: state.cut + rows.filter((row) => row.answer_cut).length,
        };
      }
      state = { ...state, passages: state.passages + 1, before: state.before + questions.length - open.length };
      options.onPassage?.(state);
    }
    return state;
  } finally {
    await file.close();
  }
}

async function readPassages({ data, report, limit = Infinity }: PrepareAnswersOptions): Promise<Passage[]> {
  const passages: Passage[] = [];
  for (const path of data) {
    const rows = readRows(path, report.onFault);
    for await (const passage of groupPassages(rows, { onClosedEarly: report.onClosedEarly })) passages.push(passage);
  }
  return passages.slice(0, limit);
}
