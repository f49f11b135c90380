import { createDataReport } from "../../data/data-report.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import { KvDistillError } from "../../util/errors.ts";
import { formatCount } from "../../util/format.ts";
import type { Task } from "../tasks/task.ts";
import { promptCounter, promptOf } from "./prompt.ts";
import type { PassageTask } from "./question.ts";

export interface ReadingOptions {
  /** Questions at most; null: all. */
  readonly limit: number | null;
  readonly seed: number;
  /** Of a gold answer, to compare predictions at. */
  readonly goldTokens: number;
  /** Told what is not as was asked for: nothing is cut in silence. */
  readonly onNote: (line: string) => void;
}

/**
 * The passages up to the first `limit` questions; the last passage may keep only some of its own.
 * @throws KvDistillError `bad-argument` for data without questions, and what reading the data throws
 */
export async function readTasks(
  task: Task,
  { files }: LanguageModel,
  { limit, seed, goldTokens, onNote }: ReadingOptions,
): Promise<{ readonly tasks: readonly PassageTask[]; readonly malformedRows: number }> {
  const notes = createDataReport();
  const countPrompt = promptCounter(files, task.style);
  const tasks: PassageTask[] = [];
  let firstSample = 0;
  for await (const passage of task.passages({ countPrompt, seed, notes, onNote })) {
    const questions = passage.questions.slice(0, (limit ?? Infinity) - firstSample);
    tasks.push({ index: tasks.length, firstSample, passage: { ...passage, questions } });
    firstSample += questions.length;
    if (firstSample === limit) break;
  }
  for (const line of notes.lines()) onNote(line);

  const where = task.files.join(", ") || task.name;
  if (firstSample === 0) throw new KvDistillError("bad-argument", "there are no questions to ask", { where });
  if (limit !== null && firstSample < limit) onNote(`${where} has ${firstSample} questions, fewer than ${limit}`);
  const cut = countCutGolds(tasks, promptOf(files, task.style), goldTokens);
  if (cut > 0) {
    onNote(
      `gold answers compared at their first ${goldTokens} tokens: ${formatCount(cut)} (--gold-tokens takes more memory)`,
    );
  }
  return { tasks, malformedRows: notes.counts()["malformed-row"] ?? 0 };
}

export function questionCount(tasks: readonly PassageTask[]): number {
  return tasks.reduce((sum, { passage }) => sum + passage.questions.length, 0);
}

function countCutGolds(tasks: readonly PassageTask[], prompt: ReturnType<typeof promptOf>, goldTokens: number): number {
  const golds = tasks.flatMap(({ passage }) => passage.questions.map(({ answers }) => answers[0] ?? ""));
  // A token has at least one character or byte: short answers need not be counted.
  return golds.filter((gold) => 4 * gold.length >= goldTokens && prompt.answerIds(gold).length > goldTokens).length;
}
