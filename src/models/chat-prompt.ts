import { KvDistillError } from "../util/errors.ts";
import { renderChat } from "./chat-template.ts";
import type { ModelFiles } from "./model-files.ts";
import { givenText, templateText } from "./passage-prompt.ts";

const STAND_IN = "PROMPTSTANDIN";

/**
 * A user's message in the model's own chat template, up to the start of the answer. White space around the message is left
 * out, as templates do; special tokens written in it are letters.
 * @throws KvDistillError `unsupported` without a template, or with one that does not keep a message in one piece; what
 * `renderChat` throws
 */
export function chatPromptIds({ tokenizer, chatTemplate, name }: ModelFiles, message: string): number[] {
  if (chatTemplate === undefined) {
    throw new KvDistillError("unsupported", "the model has no chat template", {
      where: name,
      hint: "give it plain text to go on from (--raw)",
    });
  }
  const user = { role: "user", content: STAND_IN };
  const [before, after, ...more] = renderChat(chatTemplate, [user], { addGenerationPrompt: true }).split(STAND_IN);
  if (before === undefined || after === undefined || more.length > 0) {
    throw new KvDistillError("unsupported", "the chat template does not keep a message in one piece", {
      where: chatTemplate.where,
    });
  }
  return tokenizer.encodeParts([templateText(before), givenText(message.trim()), templateText(after)]);
}
