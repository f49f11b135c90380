import { KvDistillError } from "../../util/errors.ts";
import { randomFromSeed } from "../../util/random.ts";
import { haystackFiles, readHaystack, sentencesOf } from "./haystack.ts";
import { largestFitting } from "./largest-fitting.ts";
import { SHORT_ANSWER, shortAnswer } from "./squad.ts";
import type { Task, TaskPassage } from "./task.ts";

export interface NeedleSettings {
  /** Tokens of the contexts, the template's header included. */
  readonly lengths: readonly number[];
  /** 0 the beginning, 1 the end. */
  readonly depths: readonly number[];
  /** Haystacks for every depth and length. */
  readonly samples: number;
  /** One sentence. */
  readonly needle: string;
  readonly question: string;
  readonly answer: string;
}

/** The needle of the first such test (github.com/gkamradt/LLMTest_NeedleInAHaystack, README). */
export const DEFAULT_NEEDLE = {
  needle: "The best thing to do in San Francisco is eat a sandwich and sit in Dolores Park on a sunny day.",
  question: "What is the best thing to do in San Francisco?",
  answer: "eat a sandwich and sit in Dolores Park on a sunny day",
} as const;

const MAX_NEW_TOKENS = 48;
/** Contexts that fill less of the length that they stand for are told. */
const LEAST_FILLED = 0.9;
/** One word of the stream's name. */
const NEEDLE_STREAM = 21;

/**
 * Needle in a haystack: a sentence hidden at a depth of a text of a length, which a question asks for. Sentences of the haystack stay
 * whole: the needle stands at the border nearest to its depth. Samples begin at other places of the haystack.
 * @throws KvDistillError `not-found` when there is no haystack
 */
export async function needleTask(haystack: string, settings: NeedleSettings): Promise<Task> {
  const files = await haystackFiles(haystack);
  return {
    name: "needle",
    settings: { ...settings },
    files,
    style: SHORT_ANSWER,
    metrics: ["goldInAnswer", "f1", "em", "answerInGold"],
    maxNewTokens: MAX_NEW_TOKENS,
    async *passages({ countPrompt, seed, notes, onNote }) {
      const sentences = sentencesOf(await readHaystack(files, notes));
      const random = randomFromSeed(seed, NEEDLE_STREAM);
      for (let sample = 0; sample < settings.samples; sample++) {
        const start = random.integer(sentences.length);
        for (const length of settings.lengths) {
          // The same sentences for all depths, so that they differ in the depth alone.
          const count = fittingSentences(sentences, start, length, settings.needle, (context) =>
            countPrompt({ context }),
          );
          const tokens = countPrompt({ context: hide(window(sentences, start, count), settings.needle, 0) });
          if (tokens < LEAST_FILLED * length) {
            onNote(
              `needle: the sentences of haystack ${sample + 1} fill ${tokens} of ${length} tokens; the next one is too long`,
            );
          }
          for (const depth of settings.depths) {
            yield passage(hide(window(sentences, start, count), settings.needle, depth), sample, length, depth);
          }
        }
      }
    },
  };

  function passage(context: string, sample: number, length: number, depth: number): TaskPassage {
    const { question, answer } = settings;
    const id = `needle-${length}-${Number((100 * depth).toPrecision(12))}-${sample}`;
    const asked = shortAnswer({ id, question, answers: [answer] });
    return { id, source: "needle", context, questions: [{ ...asked, facts: { length, depth } }] };
  }
}

/** Sentences from one on, around the end of the text where it must. */
function window(sentences: readonly string[], start: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => sentences[(start + i) % sentences.length] ?? "");
}

/** Puts the needle between two sentences. */
export function hide(sentences: readonly string[], needle: string, depth: number): string {
  const total = sentences.reduce((sum, sentence) => sum + sentence.length, 0);
  let at = 0;
  let before = 0;
  while (at < sentences.length) {
    const own = sentences[at]?.length ?? 0;
    if (before + own / 2 > depth * total) break;
    before += own;
    at++;
  }
  return [...sentences.slice(0, at), needle, ...sentences.slice(at)].join(" ");
}

/** How many sentences fit beside the needle. @throws KvDistillError `bad-argument` for a length without room for the needle */
function fittingSentences(
  sentences: readonly string[],
  start: number,
  length: number,
  needle: string,
  countContext: (context: string) => number,
): number {
  const count = largestFitting(0, (size) => countContext(hide(window(sentences, start, size), needle, 0)) <= length);
  if (count !== undefined) return count;
  throw new KvDistillError("bad-argument", "the needle alone is longer than the context", {
    where: "lengths",
    expected: `at least ${countContext(needle)} tokens`,
    got: String(length),
  });
}
