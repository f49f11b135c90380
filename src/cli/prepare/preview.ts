import type { PassageExample, ReadTurn } from "../../data/examples.ts";
import type { Tokenizer } from "../../models/tokenizer.ts";
import { formatCount } from "../../util/format.ts";
import { printable } from "../../util/printable.ts";
import type { Colours } from "../../util/terminal.ts";

/** Longest span that is shown whole; of a longer one the beginning and the end. */
const SHOWN_CHARACTERS = 4000;

/**
 * An example as the model will see it: the text of its tokens, control tokens written out, each span marked: by colour on a terminal, by
 * labels in brackets elsewhere.
 */
export function previewLines(
  { id, source, contextIds, turns }: PassageExample,
  tokenizer: Tokenizer,
  colours: Colours,
): string[] {
  const text = (ids: readonly number[]): string => printable(shortened(tokenizer.decode(ids, { skipSpecial: false })));
  const span = (label: string, ids: readonly number[], colour: (text: string) => string): string =>
    colours.isColorSupported ? colour(text(ids)) : `[${label}]${text(ids)}[/${label}]`;
  const facts = [`context ${formatCount(contextIds.length)}`, ...turns.map(turnFacts)].join("; ");
  return [
    colours.bold(printable(`${id} (${source})`)),
    colours.dim(`tokens: ${facts}`),
    span("context", contextIds, colours.cyan),
    ...turns.flatMap((turn, i) => {
      const number = turns.length > 1 ? ` ${i + 1}` : "";
      return [
        ...(i > 0 ? [colours.dim(`-- the same context, then --`)] : []),
        `${span(`question${number}`, turn.questionIds, colours.yellow)}${span(`answer${number}`, turn.answerIds, colours.green)}`,
      ];
    }),
  ];
}

/** What the colours mean, where there are any. */
export function previewLegend(colours: Colours): string {
  const spans = [colours.cyan("context"), colours.yellow("question"), colours.green("answer")].join(", ");
  return `spans: ${colours.isColorSupported ? spans : "[context] [question] [answer]"}; the context is compressed, the loss is on answers`;
}

/** The same for machines: ids and text of every span, whole. */
export function previewJson({ id, source, contextIds, turns }: PassageExample, tokenizer: Tokenizer): object {
  const span = (ids: readonly number[]): object => ({ text: tokenizer.decode(ids, { skipSpecial: false }), ids });
  return {
    id,
    source,
    context: span(contextIds),
    turns: turns.map(({ kind, questionIds, answerIds }) => ({
      kind,
      question: span(questionIds),
      answer: span(answerIds),
    })),
  };
}

function turnFacts({ kind, questionIds, answerIds }: ReadTurn): string {
  return `${kind} ${formatCount(questionIds.length)}, answer ${formatCount(answerIds.length)}`;
}

function shortened(text: string): string {
  if (text.length <= SHOWN_CHARACTERS) return text;
  const half = SHOWN_CHARACTERS / 2;
  return `${text.slice(0, half)}\n[… ${formatCount(text.length - 2 * half)} characters not shown …]\n${text.slice(-half)}`;
}
