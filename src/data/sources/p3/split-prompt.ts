export interface PromptParts {
  readonly context: string;
  readonly question: string;
}

/** A text with fewer words is taken for a part of the instruction, not for something to compress. */
export const LEAST_CONTEXT_WORDS = 20;

/** A line next to the text that is this short beside its longest line is the prompt's, not the text's. */
const SHORT_LINE = 80;
const SHORT_PART = 3;

/**
 * A prompt whose fields are not known, cut in two: the text is the longest of the blocks between blank lines and lines
 * without letters or digits; lines at its edges that end in a colon or a question mark, or are short both in letters and
 * beside the longest line, stay with the question. The question is all the rest, in order. Undefined where the text is too
 * short to be one.
 */
export function splitPrompt(prompt: string): PromptParts | undefined {
  const lines = prompt.split("\n");
  const [from, to] = trimmedBlock(lines, longestBlock(lines));
  return partsOf(lines.slice(from, to).join("\n"), lines.slice(0, from).join("\n"), lines.slice(to).join("\n"));
}

/**
 * A prompt made from fields: the longest field that stands in it word for word is the text, all around it the question.
 * Undefined where that is too short to be a text.
 */
export function splitByFields(prompt: string, fields: readonly string[]): PromptParts | undefined {
  const texts = fields.map((field) => field.trim()).sort((a, b) => b.length - a.length);
  for (const text of texts) {
    const at = text === "" ? -1 : prompt.indexOf(text);
    if (at !== -1) return partsOf(text, prompt.slice(0, at), prompt.slice(at + text.length));
  }
  return undefined;
}

function partsOf(text: string, before: string, after: string): PromptParts | undefined {
  const context = text.trim();
  if (context.split(/\s+/).length < LEAST_CONTEXT_WORDS) return undefined;
  const question = [before, after].map((part) => part.trim()).filter((part) => part !== "");
  return { context, question: question.join("\n").replaceAll(/\n{3,}/g, "\n\n") };
}

/** Start and end of the block with the most letters. */
function longestBlock(lines: readonly string[]): [number, number] {
  let best: [number, number] = [0, 0];
  let bestLength = -1;
  let start = 0;
  for (let at = 0; at <= lines.length; at++) {
    if (at < lines.length && /[\p{L}\p{N}]/u.test(lines[at] ?? "")) continue;
    const length = lines.slice(start, at).join("\n").length;
    if (length > bestLength) [best, bestLength] = [[start, at], length];
    start = at + 1;
  }
  return best;
}

function trimmedBlock(lines: readonly string[], [start, end]: readonly [number, number]): [number, number] {
  const longest = Math.max(0, ...lines.slice(start, end).map((line) => line.length));
  const isPrompt = (line = "") =>
    /[:?]\s*$/.test(line) || (line.length < SHORT_LINE && line.length * SHORT_PART < longest);
  let [from, to] = [start, end];
  while (from < to && isPrompt(lines[from])) from++;
  while (to > from && isPrompt(lines[to - 1])) to--;
  return [from, to];
}
