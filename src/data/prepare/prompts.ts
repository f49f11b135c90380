import { createHash } from "node:crypto";
import { passagePromptOf } from "../../models/load-model.ts";
import type { ModelFiles } from "../../models/model-files.ts";
import { type PassagePrompt, QUESTION_STYLES, type QuestionStyle } from "../../models/passage-prompt.ts";

/** The prompts of a model by the way in which a question is put. */
export function stylePrompts(files: ModelFiles): Readonly<Record<QuestionStyle, PassagePrompt>> {
  const styles = Object.keys(QUESTION_STYLES) as QuestionStyle[];
  return Object.fromEntries(styles.map((style) => [style, passagePromptOf(files, style)])) as Record<
    QuestionStyle,
    PassagePrompt
  >;
}

/** sha256 over the ids that a model's template puts around texts: two models with one hash make the same examples of a text. */
export function promptHash(files: ModelFiles, style: QuestionStyle): string {
  const prompts = Object.entries({ asked: passagePromptOf(files, style), ...stylePrompts(files) });
  const ids = prompts.map(([name, prompt]) => [
    name,
    prompt.contextIds("document"),
    prompt.questionIds("question"),
    prompt.answerIds("answer"),
    prompt.reconstructionIds,
  ]);
  return createHash("sha256").update(JSON.stringify(ids)).digest("hex");
}
