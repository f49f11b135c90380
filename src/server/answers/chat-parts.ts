import type { ModelFiles } from "../../models/model-files.ts";
import { givenText, type PromptMessage, templateText } from "../../models/passage-prompt.ts";
import { rendererOf } from "../../models/renderer-of.ts";
import type { TextPart } from "../../models/tokenizer.ts";
import { KvDistillError } from "../../util/errors.ts";

/** A rendered conversation in the pieces that it is made of. */
export interface ChatParts {
  /** Of every message what the template writes in front of its content, and the content. */
  readonly messages: readonly (readonly [before: TextPart, content: TextPart])[];
  /** What follows the last content, up to where the answer begins. */
  readonly tail: TextPart;
}

/**
 * Messages as the model's template writes them, with the opening of an answer. Contents are put in by joining text, never by the
 * template: nothing in them is read as template code or as a control token. White space around them is left out.
 * @throws KvDistillError `bad-argument` when the template refuses the order of roles; `unsupported` when it does not render every
 * message once and in order
 */
export function chatParts(files: ModelFiles, messages: readonly PromptMessage[]): ChatParts {
  // No stand-in is a part of another.
  const standIns = messages.map((_, i) => `MESSAGE${i}STANDIN`);
  const named = messages.map(({ role }, i) => ({ role, content: standIns[i] ?? "" }));
  let rest = rendererOf(files)(named, { addGenerationPrompt: true });
  const parts = messages.map(({ content }, i) => {
    const [before, after, ...more] = rest.split(standIns[i] ?? "");
    if (before === undefined || after === undefined || more.length > 0) {
      throw new KvDistillError("unsupported", "the chat template does not render every message once and in order", {
        where: "messages",
      });
    }
    rest = after;
    return [templateText(before), givenText(content.trim())] as const;
  });
  return { messages: parts, tail: templateText(rest) };
}

/**
 * What follows a context in a chat about it: the first message goes on where the context's text ends, in the same turn of the user.
 * @throws KvDistillError `bad-argument` when the first message is not the user's; as `chatParts`
 */
export function chatPartsAfterContext(files: ModelFiles, messages: readonly PromptMessage[]): readonly TextPart[] {
  const [first] = messages;
  if (first?.role !== "user") {
    throw new KvDistillError("bad-argument", "the first message is not the user's", {
      where: "messages.0.role",
      expected: "a message that goes on after the context, which has the chat's beginning",
      got: first?.role ?? "no message",
      hint: "put a system message into the context: compress messages",
    });
  }
  const { messages: parts, tail } = chatParts(files, messages);
  const [[, content] = [], ...rest] = parts;
  return [templateText("\n\n"), ...(content === undefined ? [] : [content]), ...rest.flat(), tail];
}
