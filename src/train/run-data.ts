import { createHash } from "node:crypto";
import { createDataReport } from "../data/data-report.ts";
import { type PassageExample, tokenizePassages } from "../data/examples.ts";
import { groupPassages } from "../data/group-passages.ts";
import { readRows } from "../data/read-rows.ts";
import { passagePromptOf } from "../models/load-model.ts";
import type { ModelFiles } from "../models/model-files.ts";
import { KvDistillError } from "../util/errors.ts";
import type { TrainConfig } from "./config.ts";

/** What a run trains on, and the hash by which a resumed run knows it again. */
export interface TrainingData {
  readonly examples: readonly PassageExample[];
  readonly hash: string;
}

/**
 * Reads and tokenises data files; what is left out is told in notes.
 * @throws KvDistillError `bad-argument` when nothing is left to train on, and what `readRows` and `passagePromptOf` throw
 */
export async function readTrainingData(
  paths: readonly string[],
  files: ModelFiles,
  config: TrainConfig,
  onNote: (line: string) => void,
): Promise<TrainingData> {
  const report = createDataReport();
  const prompt = passagePromptOf(files, "short-answer");
  const limits = {
    minContextTokens: config.minContext,
    maxContextTokens: config.maxContext,
    maxQuestionTokens: config.maxQuestion,
    maxAnswerTokens: config.maxAnswer,
    maxQuestions: config.questions,
    reconstructionTokens: config.reconstruction,
  };
  const examples: PassageExample[] = [];
  for (const path of paths) {
    const passages = groupPassages(readRows(path, report.onFault), { onClosedEarly: report.onClosedEarly });
    for await (const example of tokenizePassages(passages, prompt, limits, report.onLeftOut)) examples.push(example);
  }
  for (const line of report.lines()) onNote(line);
  if (examples.length === 0)
    throw new KvDistillError("bad-argument", "there is nothing to train on", { where: paths.join(", ") });
  return { examples, hash: hashOf(examples) };
}

function hashOf(examples: readonly PassageExample[]): string {
  const hash = createHash("sha256");
  for (const { id, contextIds, turns } of examples) hash.update(JSON.stringify([id, contextIds, turns]));
  return hash.digest("hex");
}
