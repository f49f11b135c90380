import type { ModelFiles } from "../../models/model-files.ts";
import { createPassagePrompt, givenText, type PassagePrompt } from "../../models/passage-prompt.ts";
import { rendererOf } from "../../models/renderer-of.ts";
import type { PromptStyle, TaskSurroundings } from "../tasks/task.ts";

/**
 * How a model is asked in a style: in its chat template, or as one text that goes on. No special tokens are added to the latter.
 * @throws KvDistillError `unsupported` when the template cannot be cut, or nothing ends an answer
 */
export function promptOf(files: ModelFiles, { ask, chat }: PromptStyle): PassagePrompt {
  const { tokenizer } = files;
  const end = tokenizer.decode(tokenizer.eosIds.slice(0, 1), { skipSpecial: false });
  return createPassagePrompt({
    render: chat
      ? rendererOf(files)
      : (messages) => messages.map(({ role, content }) => content + (role === "assistant" ? end : "")).join(""),
    encode: (parts) => tokenizer.encodeParts(parts),
    stopIds: tokenizer.eosIds,
    ask,
  });
}

/** Counts the tokens of prompts as they are read, in `usual` or another style. @throws KvDistillError as `promptOf` */
export function promptCounter(files: ModelFiles, usual: PromptStyle): TaskSurroundings["countPrompt"] {
  const prompts = new Map<PromptStyle, PassagePrompt>();
  return ({ context, question, answerPrefix = "" }, style = usual) => {
    const prompt = prompts.get(style) ?? promptOf(files, style);
    prompts.set(style, prompt);
    return (
      prompt.contextIds(context).length +
      (question === undefined ? 0 : prompt.questionIds(question).length) +
      files.tokenizer.encodeParts([givenText(answerPrefix)]).length
    );
  };
}
