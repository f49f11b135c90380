import type { LanguageModel } from "../../models/language-model.ts";
import type { PassagePrompt } from "../../models/passage-prompt.ts";
import { KvDistillError } from "../../util/errors.ts";
import type { DataReport } from "../data-report.ts";
import { groupPassages } from "../group-passages.ts";
import type { Passage, Question, QuestionRow } from "../passage.ts";
import { selfAnswers } from "../self-answers.ts";
import { type AnsweredRow, type NoRow, openAnswerFile } from "./answer-file.ts";

export interface PrepareAnswersOptions {
  readonly model: LanguageModel;
  readonly prompt: PassagePrompt;
  /** All of them are held in memory: answering takes seconds for each passage, reading nothing. */
  readonly rows: AsyncIterable<QuestionRow>;
  /** Grows passage by passage; questions that were asked before are passed over. */
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
  /** Questions that were asked before. */
  readonly before: number;
  /** Answers without a letter, left out. */
  readonly empty: number;
  /** Answers cut at the limit of tokens. */
  readonly cut: number;
}

/**
 * Writes rows again with the model's own greedy answers. Stopped at any moment, a second call goes on.
 * @throws KvDistillError `cancelled` with what was done kept, `disk`, and what `rows` and the engine throw
 */
export async function prepareAnswers(options: PrepareAnswersOptions): Promise<PreparedAnswers> {
  const { model, prompt, out, report, signal, limit = Infinity } = options;
  const passages: Passage[] = [];
  for await (const passage of groupPassages(options.rows, { onClosedEarly: report.onClosedEarly })) {
    if (passages.length < limit) passages.push(passage);
  }
  const file = await openAnswerFile(out);
  let state: PreparedAnswers = { passages: 0, total: passages.length, answered: 0, before: 0, empty: 0, cut: 0 };
  try {
    for (const passage of passages) {
      if (signal?.aborted === true) {
        throw new KvDistillError("cancelled", "answering was stopped", {
          got: `${state.answered} answers in ${out}`,
          hint: "the same command goes on",
        });
      }
      const { id, context, questions } = passage;
      const open = questions.filter((question) => !file.asked.has(question.id));
      const tokens = prompt.contextIds(context).length;
      if (tokens > options.maxContextTokens) {
        report.onLeftOut({ reason: "context-too-long", id, tokens, limit: options.maxContextTokens });
      } else if (open.length > 0) {
        const { rows, none } = await answered(model, prompt, { ...passage, questions: open }, options.maxAnswerTokens);
        await file.append(rows, none);
        for (const row of none) report.onRemoved("empty-answer", 1, row.id);
        state = {
          ...state,
          answered: state.answered + rows.length,
          empty: state.empty + none.length,
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

async function answered(
  model: LanguageModel,
  prompt: PassagePrompt,
  { context, source, licence, questions }: Passage,
  maxTokens: number,
): Promise<{ readonly rows: AnsweredRow[]; readonly none: NoRow[] }> {
  const asked = { context, questions: questions.map(({ question }: Question) => question) };
  const answers = await selfAnswers(model, prompt, asked, { maxTokens });
  const rows: AnsweredRow[] = [];
  const none: NoRow[] = [];
  for (const [i, { id, question }] of questions.entries()) {
    const { text: answer = "", finish } = answers[i] ?? {};
    if (answer === "") {
      none.push({ id, reason: "empty-answer" });
      continue;
    }
    const origin = { source, ...(licence === undefined ? {} : { licence }) };
    const facts = { answer_cut: finish === "length", answered_by: model.files.name };
    rows.push({ id, ...origin, context, question, answer, ...facts });
  }
  return { rows, none };
}
