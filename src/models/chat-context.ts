import { z } from "zod";
import { boundedList } from "../util/bounded-list.ts";
import { KvDistillError } from "../util/errors.ts";
import { faultList } from "../util/fault-list.ts";
import { type ContextTokens, encodeMarked } from "./marked-span.ts";
import type { ModelFiles } from "./model-files.ts";
import { givenText, type PromptMessage, templateText } from "./passage-prompt.ts";
import { rendererOf } from "./renderer-of.ts";
import type { TextPart } from "./tokenizer.ts";

const messagesSchema = boundedList(
  z.strictObject({ role: z.enum(["system", "user", "assistant"]), content: z.string() }),
  { least: 1 },
);

/**
 * The messages of a conversation, as JSON has them: a list of `{"role": "system" | "user" | "assistant", "content": text}`.
 * @throws KvDistillError `bad-file` with all faults
 */
export function parseMessages(json: unknown, where: string): readonly PromptMessage[] {
  const result = messagesSchema.safeParse(json);
  if (result.success) return result.data;
  const faults = result.error.issues.map(({ path, message }) => `${path.join(".") || "(whole file)"}: ${message}`);
  throw new KvDistillError("bad-file", "not a list of messages", { where, faults: faultList(faults) });
}

/**
 * A conversation as a context, from its beginning to the end of its last message, which is the user's and which a question
 * will continue. The part to compress is marked in the messages' text (see `encodeMarked`) and may reach over several of them.
 * @throws KvDistillError `bad-argument` when the last message is not the user's, or for the marks; `unsupported` when the
 * template does not render every message once and in order
 */
export function chatContext(files: ModelFiles, messages: readonly PromptMessage[]): ContextTokens {
  if (messages.at(-1)?.role !== "user") {
    throw new KvDistillError("bad-argument", "the last message is not the user's", {
      where: "messages",
      expected: "a message of the user, which the question continues",
      got: messages.at(-1)?.role ?? "no message",
      hint: 'add {"role": "user", "content": ""}',
    });
  }
  return encodeMarked(conversationParts(files, messages), files.tokenizer);
}

/** The rendered conversation, template and contents in turn; nothing after the last content. */
function conversationParts(files: ModelFiles, messages: readonly PromptMessage[]): TextPart[] {
  // Contents never pass through the template, so nothing in them is read as template code. No stand-in is a part of another.
  const standIns = messages.map((_, i) => `MESSAGE${i}STANDIN`);
  const named = messages.map(({ role }, i) => ({ role, content: standIns[i] ?? "" }));
  let rest = rendererOf(files)(named, { addGenerationPrompt: true });
  return messages.flatMap(({ content }, i) => {
    const [before, after, ...more] = rest.split(standIns[i] ?? "");
    if (before === undefined || after === undefined || more.length > 0) {
      throw new KvDistillError("unsupported", "the chat template does not render every message once and in order", {
        where: files.name,
      });
    }
    rest = after;
    return [templateText(before), givenText(content)];
  });
}
