import { type ContextTokens, isMarked } from "../../models/marked-span.ts";
import type { ModelFiles } from "../../models/model-files.ts";
import { passagePromptOf } from "../../models/load-model.ts";
import { givenText, type PromptMessage, templateText } from "../../models/passage-prompt.ts";
import { chatParts } from "../answers/chat-parts.ts";
import type { Encoder } from "../encoder/encoder.ts";
import { Refusal } from "../http/refusal.ts";
import type { ContextRequest } from "./context-request.ts";

/**
 * What a request wants compressed, as tokens. Of messages the marked part, or everything when nothing is marked; the last is the user's
 * and is continued by the question.
 * @throws Refusal `bad-argument`; KvDistillError `bad-argument` for marks, `unsupported` for the template
 */
export async function contextTokensOf(
  { text, messages, marked }: Pick<ContextRequest, "text" | "messages" | "marked">,
  files: ModelFiles,
  encoder: Encoder,
): Promise<ContextTokens> {
  if (messages !== undefined) return messageTokens(messages, marked, files, encoder);
  const given = (text ?? "").trim();
  if (given === "") throw new Refusal("bad-argument", "the text is empty", { param: "text" });
  const parts = [templateText(passagePromptOf(files, "plain").header), givenText(given)];
  return marked ? encoder.marked(parts) : whole(await encoder.parts(parts));
}

async function messageTokens(
  messages: readonly PromptMessage[],
  marked: boolean,
  files: ModelFiles,
  encoder: Encoder,
): Promise<ContextTokens> {
  const last = messages.at(-1);
  if (last?.role !== "user") {
    throw new Refusal("bad-argument", "the last message must be the user's: the question goes on in it", {
      param: "messages",
    });
  }
  const parts = chatParts(files, messages).messages.flat();
  if (marked || messages.some(({ content }) => isMarked(content))) return encoder.marked(parts);
  return whole(await encoder.parts(parts));
}

function whole(ids: readonly number[]): ContextTokens {
  return { ids, span: { start: 0, end: ids.length } };
}
