import { KvDistillError } from "../util/errors.ts";
import { renderChat } from "./chat-template.ts";
import type { ModelFiles } from "./model-files.ts";
import type { RenderMessages } from "./passage-prompt.ts";
import { plainChat } from "./plain-chat.ts";

/**
 * How a model's messages become one text: its chat template, or plain text for a model without one.
 * @throws KvDistillError `unsupported` when nothing ends an answer
 */
export function rendererOf({ tokenizer, chatTemplate, name }: ModelFiles): RenderMessages {
  const [endId] = tokenizer.eosIds;
  if (endId === undefined)
    throw new KvDistillError("unsupported", "the model names no token that ends an answer", { where: name });
  if (chatTemplate === undefined) return plainChat(tokenizer.decode([endId], { skipSpecial: false }));
  return (messages, options) => renderChat(chatTemplate, messages, options);
}
