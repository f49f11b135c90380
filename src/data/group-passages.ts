import { KvDistillError } from "../util/errors.ts";
import type { Passage, Question, QuestionRow } from "./passage.ts";

export interface GroupingLimits {
  /** How many contexts may wait for more rows at once. Default 65,536. */
  readonly openPassages?: number;
  /** How many characters of context they may hold together. Default 2^27 (at most 256 MB). */
  readonly openCharacters?: number;
  /** Told how many passages were let go before the end because a limit was reached; later rows start them anew. */
  readonly onClosedEarly?: (passages: number) => void;
}

interface OpenPassage extends Passage {
  readonly questions: Question[];
}

/**
 * Rows with equal contexts as one passage each, in the order in which the contexts first appear; rows may stand apart.
 * Memory is bounded: over a limit the oldest passage is let go first, with the questions seen so far. Small files are
 * thus grouped exactly and a file of any size is grouped within a window.
 * @throws KvDistillError `bad-argument` for limits below 1.
 */
export async function* groupPassages(
  rows: AsyncIterable<QuestionRow> | Iterable<QuestionRow>,
  limits: GroupingLimits = {},
): AsyncGenerator<Passage> {
  const mostOpen = checked("openPassages", limits.openPassages ?? 65_536);
  const mostCharacters = checked("openCharacters", limits.openCharacters ?? 2 ** 27);
  // A Map keeps the order in which its keys came.
  const open = new Map<string, OpenPassage>();
  let characters = 0;
  let closedEarly = 0;
  for await (const { source, licence, context, ...asked } of rows) {
    const known = open.get(context);
    if (known !== undefined) {
      known.questions.push(asked);
      continue;
    }
    open.set(context, {
      id: asked.id,
      source,
      ...(licence === undefined ? {} : { licence }),
      context,
      questions: [asked],
    });
    characters += context.length;
    for (const oldest of open.values()) {
      if (open.size <= mostOpen && (characters <= mostCharacters || open.size === 1)) break;
      open.delete(oldest.context);
      characters -= oldest.context.length;
      closedEarly++;
      yield oldest;
    }
  }
  yield* open.values();
  if (closedEarly > 0) limits.onClosedEarly?.(closedEarly);
}

function checked(where: string, limit: number): number {
  if (Number.isInteger(limit) && limit >= 1) return limit;
  throw new KvDistillError("bad-argument", "grouping", {
    where,
    expected: "a whole number from 1",
    got: String(limit),
  });
}
