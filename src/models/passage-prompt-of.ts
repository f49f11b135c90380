import type { ModelFiles } from "./model-files.ts";
import { createPassagePrompt, type PassagePrompt, QUESTION_STYLES, type QuestionStyle } from "./passage-prompt.ts";
import { rendererOf } from "./renderer-of.ts";

/**
 * How a model is asked about a document: its chat template, cut where the document ends. Models without a template are asked in plain text.
 * @throws KvDistillError `unsupported` when the template cannot be cut
 */
export function passagePromptOf(files: ModelFiles, style: QuestionStyle): PassagePrompt {
  const { tokenizer } = files;
  return createPassagePrompt({
    render: rendererOf(files),
    encode: (parts) => tokenizer.encodeParts(parts),
    stopIds: tokenizer.eosIds,
    ask: QUESTION_STYLES[style],
  });
}
