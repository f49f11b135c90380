import type { RenderMessages } from "./passage-prompt.ts";

/**
 * Messages for a base model that has no chat template, such as GPT-2: each on its own, an answer after the line
 * `Answer:` and ended by the model's end-of-text token. The answer begins on a new line, so that its first word has the
 * same tokens wherever it comes from.
 */
export function plainChat(endOfText: string): RenderMessages {
  return (messages, { addGenerationPrompt }) => {
    const turns = messages.map(({ role, content }) =>
      role === "assistant" ? `\n\nAnswer:\n${content}${endOfText}` : content,
    );
    return turns.join("") + (addGenerationPrompt ? "\n\nAnswer:\n" : "");
  };
}
