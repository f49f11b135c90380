import { KvDistillError } from "../util/errors.ts";
import { givenText } from "./passage-prompt.ts";
import type { TextPart, Tokenizer } from "./tokenizer.ts";

/** Written in front of the part of a text that is to be compressed. */
export const SPAN_START = "<|kv-distill|>";
/** Written after it. */
export const SPAN_END = "<|/kv-distill|>";

/** A context as token ids, and which of them are to be compressed: `end` not included. */
export interface ContextTokens {
  readonly ids: readonly number[];
  readonly span: { readonly start: number; readonly end: number };
}

/**
 * Encodes a context in which the part to compress is marked. The marks are no tokens, and tokens do not reach across them.
 * They are looked for in given text only: a template has none.
 * @throws KvDistillError `bad-argument` unless there is one mark of each kind, in order, with text between
 */
export function encodeMarked(parts: readonly TextPart[], tokenizer: Pick<Tokenizer, "encodeParts">): ContextTokens {
  const [before, rest] = cutAt(parts, SPAN_START);
  const [inside, after] = cutAt(rest, SPAN_END);
  if ([...before, ...inside, ...after].some(holdsMark)) throw wrong("a mark more than once, or the end first");
  const [head, span, tail] = [before, inside, after].map((own) => tokenizer.encodeParts(own));
  const start = head?.length ?? 0;
  const length = span?.length ?? 0;
  if (length === 0) throw wrong("nothing between the marks");
  return { ids: [...(head ?? []), ...(span ?? []), ...(tail ?? [])], span: { start, end: start + length } };
}

/** Whether a text holds a mark. */
export function isMarked(text: string): boolean {
  return text.includes(SPAN_START) || text.includes(SPAN_END);
}

const holdsMark = ({ text, special }: TextPart): boolean => special === "plain" && isMarked(text);

/** What stands before and after the first `mark`. */
function cutAt(parts: readonly TextPart[], mark: string): [TextPart[], TextPart[]] {
  const at = parts.findIndex(({ text, special }) => special === "plain" && text.includes(mark));
  const found = parts[at];
  if (found === undefined) throw wrong(`no ${mark}`);
  const cut = found.text.indexOf(mark);
  return [
    [...parts.slice(0, at), givenText(found.text.slice(0, cut))],
    [givenText(found.text.slice(cut + mark.length)), ...parts.slice(at + 1)],
  ];
}

function wrong(got: string): KvDistillError {
  return new KvDistillError("bad-argument", "the part to compress is not marked", {
    expected: `text between one ${SPAN_START} and one ${SPAN_END}`,
    got,
  });
}
