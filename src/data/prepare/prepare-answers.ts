import { contextLimit } from "../../models/config.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import type { PassagePrompt } from "../../models/passage-prompt.ts";
import { KvDistillError } from "../../util/errors.ts";
import type { DataReport } from "../data-report.ts";
import { groupPassages } from "../group-passages.ts";
import type { Passage, Question, QuestionRow } from "../passage.ts";
import { type SelfAnswer, selfAnswers } from "../self-answers.ts";
import { type AnsweredRow, type KeyOf, keyOfTexts, type NoRow, openAnswerFile } from "./answer-file.ts";

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
  /** Who answers; absent: this process, one passage after the other. */
  readonly answer?: AnswerPassages;
}

/** Answers all questions of passages, in their order. */
export type AnswerPassages = (passages: readonly Passage[]) => AsyncIterable<PassageAnswers>;

/** Answers of the model to the questions of a passage, each once, in their order. */
export interface PassageAnswers {
  readonly passage: Passage;
  readonly answers: readonly SelfAnswer[];
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
  const file = await openAnswerFile(out, keyOf);
  try {
    const open: Passage[] = [];
    let before = 0;
    for (const passage of passages) {
      const { context } = passage;
      const left = passage.questions.filter((asked) => !file.asked.has(keyOf({ ...asked, context })));
      before += passage.questions.length - left.length;
      const questions = readable({ ...passage, questions: left }, options);
      if (questions.length > 0) open.push({ ...passage, questions });
    }
    const total = passages.length;
    let state: PreparedAnswers = { passages: total - open.length, total, answered: 0, before, empty: 0, cut: 0 };
    const goOn = (): void => {
      if (signal?.aborted !== true || state.passages === total) return;
      throw new KvDistillError("cancelled", "answering was stopped", {
        got: `${state.answered} answers in ${out}`,
        hint: "the same command goes on",
      });
    };
    options.onPassage?.(state);
    goOn();
    const answer = options.answer ?? ((own) => answerHere(model, prompt, own, options.maxAnswerTokens));
    for await (const answered of open.length === 0 ? [] : answer(open)) {
      const { rows, none } = rowsOf(answered, model.files.name);
      await file.append(rows, none);
      for (const row of none) report.onRemoved("empty-answer", 1, row.id);
      state = {
        ...state,
        passages: state.passages + 1,
        answered: state.answered + rows.length,
        empty: state.empty + none.length,
        cut: state.cut + rows.filter((row) => row.answer_cut).length,
      };
      options.onPassage?.(state);
      goOn();
    }
    return state;
  } finally {
    await file.close();
  }
}

const keyOf: KeyOf = ({ id, context, question }) => keyOfTexts(id, context, question);

/** The questions that the model can read and answer after their context. */
function readable(
  { id: passageId, context, questions }: Passage,
  { model, prompt, maxContextTokens, maxAnswerTokens, report }: PrepareAnswersOptions,
): Question[] {
  const window = contextLimit(model.config) - maxAnswerTokens;
  const contextTokens = prompt.contextIds(context).length;
  const limit = Math.min(maxContextTokens, window);
  if (contextTokens > limit) {
    report.onLeftOut({ reason: "context-too-long", id: passageId, tokens: contextTokens, limit });
    return [];
  }
  return questions.filter(({ id, question }) => {
    const tokens = prompt.questionIds(question).length;
    const fits = contextTokens + tokens <= window;
    if (!fits) report.onLeftOut({ reason: "question-too-long", id, tokens, limit: window - contextTokens });
    return fits;
  });
}

async function* answerHere(
  model: LanguageModel,
  prompt: PassagePrompt,
  passages: readonly Passage[],
  maxTokens: number,
): AsyncGenerator<PassageAnswers, void, undefined> {
  for (const passage of passages) {
    const { context, questions } = passage;
    const asked = { context, questions: questions.map(({ question }: Question) => question) };
    yield { passage, answers: await selfAnswers(model, prompt, asked, { maxTokens }) };
  }
}

function rowsOf(
  { passage: { context, source, licence, questions }, answers }: PassageAnswers,
  answeredBy: string,
): { readonly rows: AnsweredRow[]; readonly none: NoRow[] } {
  const rows: AnsweredRow[] = [];
  const none: NoRow[] = [];
  for (const [i, { id, question }] of questions.entries()) {
    const { text: answer = "", finish } = answers[i] ?? {};
    if (answer === "") {
      none.push({ id, key: keyOf({ id, context, question }), reason: "empty-answer" });
      continue;
    }
    const origin = { source, ...(licence === undefined ? {} : { licence }) };
    const facts = { answer_cut: finish === "length", answered_by: answeredBy };
    rows.push({ id, ...origin, context, question, answer, ...facts });
  }
  return { rows, none };
}
