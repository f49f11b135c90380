import type { Random } from "../../../util/random.ts";
import { sentencesOf } from "../haystack.ts";
import { drawOne, drawPlaces, listed, type RulerGenerator, type RulerSample } from "./sample.ts";
import { ADJECTIVES, NOUNS } from "./words.ts";

type Kind = "words" | "numbers" | "uuids";

export interface NeedleOptions {
  /** What needles are hidden in: one line again and again, the given text, or other needles. */
  readonly haystack: "noise" | "essay" | "needle";
  readonly keys: Kind;
  readonly values: Kind;
  /** How many keys are hidden, values each has, keys are asked for. */
  readonly hidden: number;
  readonly valuesEach: number;
  readonly asked: number;
}

export const NOISE = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again.";

/** Depths that needles may have in an essay, in per cent. */
const DEPTHS = Array.from({ length: 40 }, (_, i) => Math.round((100 * i) / 39));

/**
 * Needles of keys and values in a haystack (niah.py). Sizes: lines of noise or needles, words of the essay, which begins anew where it ends.
 * @param essay the words of the given text; not looked at for other haystacks
 */
export function needles(options: NeedleOptions, essay: readonly string[]): RulerGenerator {
  const { haystack, keys: keyKind, values: valueKind, hidden, valuesEach, asked } = options;
  return {
    least: hidden * valuesEach,
    make: (random, size) => {
      const keys = Array.from({ length: hidden }, () => draw(random, keyKind));
      const values = keys.map(() => Array.from({ length: valuesEach }, () => draw(random, valueKind)));
      const lines = random.shuffle(
        keys.flatMap((key, i) => (values[i] ?? []).map((value) => needle(valueKind, key, value))),
      );
      const text =
        haystack === "essay"
          ? inEssay(random, essay, size, lines)
          : amongLines(
              random,
              Array.from({ length: size }, () =>
                haystack === "noise" ? NOISE : needle(valueKind, draw(random, keyKind), draw(random, valueKind)),
              ),
              lines,
            );
      const chosen = drawPlaces(random, hidden, asked);
      return asSample(
        text,
        valueKind,
        chosen.map((i) => keys[i] ?? ""),
        chosen.flatMap((i) => values[i] ?? []),
      );
    },
  };
}

function needle(kind: Kind, key: string, value: string): string {
  return `One of the special magic ${kind} for ${key} is: ${value}.`;
}

function inEssay(random: Random, essay: readonly string[], size: number, lines: readonly string[]): string {
  const words = Array.from({ length: size }, (_, i) => essay[i % essay.length] ?? "");
  const sentences = sentencesOf(words.join(" "));
  const borders = drawPlaces(random, DEPTHS.length, lines.length)
    .map((place) => Math.floor((sentences.length * (DEPTHS[place] ?? 0)) / 100))
    .sort((a, b) => a - b);
  const parts = [...borders, sentences.length].flatMap((end, i) => [
    sentences.slice(i === 0 ? 0 : (borders[i - 1] ?? 0), end).join(" "),
    ...lines.slice(i, i + 1),
  ]);
  return parts.join(" ");
}

function amongLines(random: Random, haystack: readonly string[], lines: readonly string[]): string {
  const all = [...haystack];
  const places = drawPlaces(random, haystack.length, lines.length).sort((a, b) => b - a);
  places.forEach((place, i) => all.splice(place, 0, lines[i] ?? ""));
  return all.join("\n");
}

function asSample(text: string, kind: Kind, keys: readonly string[], values: readonly string[]): RulerSample {
  const query = listed(keys);
  const single = values.length === 1;
  const what = single ? kind.slice(0, -1) : kind;
  const [some, are, areAll] = single ? ["A", "is", "is"] : ["Some", "are", "are all"];
  return {
    context:
      `${some} special magic ${what} ${are} hidden within the following text. Make sure to memorize it. ` +
      `I will quiz you about the ${what} afterwards.\n${text}`,
    question: `What ${areAll} the special magic ${what} for ${query} mentioned in the provided text?`,
    answerPrefix: `The special magic ${what} for ${query} mentioned in the provided text ${are}`,
    references: values,
    answer: listed(values),
  };
}

function draw(random: Random, kind: Kind): string {
  if (kind === "numbers") return String(1_000_000 + random.integer(9_000_000));
  if (kind === "words") return `${drawOne(random, ADJECTIVES)}-${drawOne(random, NOUNS)}`;
  return uuid(random);
}

/** A version-4 UUID (RFC 9562). */
function uuid(random: Random): string {
  const hex = Array.from({ length: 4 }, () => random.uint32().toString(16).padStart(8, "0")).join("");
  const variant = "89ab"[parseInt(hex[16] ?? "0", 16) & 3] ?? "8";
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
}
