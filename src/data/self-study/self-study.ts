import type { LanguageModel } from "../../models/language-model.ts";
import type { PassagePrompt, QuestionStyle } from "../../models/passage-prompt.ts";
import type { Tokenizer } from "../../models/tokenizer.ts";
import { KvDistillError } from "../../util/errors.ts";
import type { DataReport } from "../data-report.ts";
import { type AnsweredRow, keyOfTexts, type NoRow, openAnswerFile } from "../prepare/answer-file.ts";
import { askItself, type Opener } from "./ask-itself.ts";
import { cutPassages } from "./cut-passages.ts";
import { readTexts, textFiles } from "./read-texts.ts";

/** What is made of a passage (docs/preparing-data.md). */
export const STUDY_KINDS = ["reconstruct", "continue", "question"] as const;
export type StudyKind = (typeof STUDY_KINDS)[number];

/** How the two tasks that need no model are put; `reconstruct` as a training run's own reconstructions. */
const ASKED = { reconstruct: "Repeat the text above word for word.", continue: "Continue the text above." } as const;

export interface SelfStudyOptions {
  readonly model: LanguageModel;
  readonly prompts: Readonly<Record<QuestionStyle, PassagePrompt>>;
  /** A folder of text files, or one file. */
  readonly texts: string;
  /** Grows passage by passage; what is in it already is passed over. */
  readonly out: string;
  readonly kinds: readonly StudyKind[];
  readonly openers: readonly Opener[];
  /** A passage with fewer tokens, template header included, is left out; none has more. */
  readonly minContextTokens: number;
  readonly maxContextTokens: number;
  readonly maxQuestionTokens: number;
  readonly maxAnswerTokens: number;
  /** Stop after this many passages, those of earlier runs included. */
  readonly limit?: number;
  /** Of the rows. */
  readonly licence?: string;
  readonly report: DataReport;
  readonly signal?: AbortSignal;
  readonly onPassage?: (done: SelfStudyResult) => void;
}

export interface SelfStudyResult {
  readonly texts: number;
  readonly passages: number;
  /** Rows written now, by kind, and those that were there. */
  readonly rows: Readonly<Record<StudyKind, number>>;
  readonly before: number;
}

/**
 * Makes training rows of texts: the model is to repeat a passage, to go on with it, and to answer questions that it asked itself. Stopped
 * at any moment, a second call goes on.
 * @throws KvDistillError `cancelled` with what was done kept, `bad-argument` when there is no text, `disk`, and what the engine throws
 */
export async function selfStudy(options: SelfStudyOptions): Promise<SelfStudyResult> {
  const { prompts, out, report, signal, limit = Infinity } = options;
  const measure = (text: string): number => prompts.plain.contextIds(text).length;
  const rows = { reconstruct: 0, continue: 0, question: 0 };
  let [texts, passages, before] = [0, 0, 0];
  const found = await textFiles(options.texts);
  const file = await openAnswerFile(out, ({ id, context }) => keyOfTexts(id, context));
  try {
    for await (const { name, text } of readTexts(found, report.onFault)) {
      texts++;
      const cut = cutPassages(text, options.maxContextTokens, measure);
      for (const [number, passage] of cut.entries()) {
        if (passages === limit) return { texts, passages, rows, before };
        if (signal?.aborted === true) {
          throw new KvDistillError("cancelled", "self-study was stopped", { hint: "the same command goes on" });
        }
        const id = `${name}#${number + 1}`;
        const tokens = measure(passage);
        if (tokens < options.minContextTokens) {
          report.onLeftOut({ reason: "context-too-short", id, tokens, limit: options.minContextTokens });
          continue;
        }
        const made = await studyPassage(options, { id, name, passage, next: cut[number + 1] }, file.asked);
        if (made.rows.length + made.none.length > 0)
          await file.append(
            made.rows.map(({ row }) => row),
            made.none,
          );
        for (const { kind } of made.rows) rows[kind]++;
        for (const { reason, id: asked } of made.none) report.onRemoved(reason, 1, asked);
        before += made.before;
        passages++;
        options.onPassage?.({ texts, passages, rows, before });
      }
    }
  } finally {
    await file.close();
  }
  if (texts > 0) return { texts, passages, rows, before };
  throw new KvDistillError("bad-argument", "there is no text to study", { where: options.texts });
}

interface StudyPassage {
  readonly id: string;
  readonly name: string;
  readonly passage: string;
  /** The passage after it in its text. */
  readonly next: string | undefined;
}

interface StudiedPassage {
  readonly rows: readonly { readonly kind: StudyKind; readonly row: AnsweredRow }[];
  readonly none: readonly NoRow[];
  /** How many things were asked before. */
  readonly before: number;
}

async function studyPassage(
  { model, prompts, kinds, openers, maxAnswerTokens, maxQuestionTokens, licence, signal }: SelfStudyOptions,
  { id, name, passage, next }: StudyPassage,
  asked: ReadonlySet<string>,
): Promise<StudiedPassage> {
  const rows: { kind: StudyKind; row: AnsweredRow }[] = [];
  const none: NoRow[] = [];
  let before = 0;
  const base = {
    source: `self-study: ${name}`,
    ...(licence === undefined ? {} : { licence }),
    context: passage.trim(),
  };
  const keyOf = (rowId: string): string => keyOfTexts(rowId, base.context);
  const isOpen = (rowId: string): boolean => {
    if (!asked.has(keyOf(rowId))) return true;
    before++;
    return false;
  };
  for (const kind of ["reconstruct", "continue"] as const) {
    const words = kind === "reconstruct" ? passage : next;
    const rowId = `${id}:${kind}`;
    if (!kinds.includes(kind) || words === undefined || !isOpen(rowId)) continue;
    const answer = firstTokens(model.files.tokenizer, prompts.plain, words, maxAnswerTokens);
    rows.push({ kind, row: { id: rowId, ...base, style: "plain", question: ASKED[kind], ...answer } });
  }
  const open = kinds.includes("question") ? openers.filter((opener) => isOpen(`${id}:${opener}`)) : [];
  if (open.length > 0) {
    const limits = { maxQuestionTokens, maxAnswerTokens };
    const answers = await askItself(model, prompts, base.context, {
      openers: open,
      ...limits,
      ...(signal && { signal }),
    });
    for (const [i, opener] of open.entries()) {
      const rowId = `${id}:${opener}`;
      const own = answers[i];
      if (own === undefined) none.push({ id: rowId, key: keyOf(rowId), reason: "no-question" });
      else if (own.text === "") none.push({ id: rowId, key: keyOf(rowId), reason: "empty-answer" });
      else {
        const facts = { answer: own.text, answer_cut: own.finish === "length", answered_by: model.files.name };
        rows.push({ kind: "question", row: { id: rowId, ...base, question: own.question, ...facts } });
      }
    }
  }
  return { rows, none, before };
}

/** The beginning of a text as an answer; whole where the limit allows. */
function firstTokens(
  tokenizer: Tokenizer,
  prompt: PassagePrompt,
  text: string,
  tokens: number,
): Pick<AnsweredRow, "answer" | "answer_cut"> {
  const ids = prompt.reconstructionAnswerIds(text, tokens + 1);
  if (ids.length <= tokens) return { answer: text.trim(), answer_cut: false };
  // A character that the cut has gone through is left out.
  const answer = tokenizer.decode(ids.slice(0, tokens), { skipSpecial: false }).replace(/\ufffd+$/u, "");
  return { answer: answer.trim(), answer_cut: true };
}
