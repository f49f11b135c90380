import { scoreAnswer } from "../squad.ts";
import { rougeUnion } from "./rouge-union.ts";
import { similarity } from "./similarity.ts";

/** Scores an answer against one gold answer, 0 … 1. `classes` are all answers that there are, where a data set has them. */
export type Measure = (answer: string, gold: string, classes: readonly string[]) => number;

/** Word overlap by the rules of SQuAD. */
export const qaF1: Measure = (answer, gold) => scoreAnswer(answer, [gold]).f1;

export const rouge: Measure = (answer, gold) => rougeUnion(answer, gold);

/** 1 / the classes that are named, when the right one is among them; those that are part of the right one's name do not count. */
export const classification: Measure = (answer, gold, classes) => {
  const named = classes.filter((one) => answer.includes(one));
  // As the published script, which skips the class behind each one that it takes out.
  for (const one of named) {
    if (gold.includes(one) && one !== gold) named.splice(named.indexOf(one), 1);
  }
  return named.includes(gold) ? 1 / named.length : 0;
};

/** The share of the numbers in an answer that are the right one. */
export const count: Measure = (answer, gold) => shareOfNumbers(answer, gold);

/** The same with the number of `Paragraph 7`. */
export const retrieval: Measure = (answer, gold) => shareOfNumbers(answer, /Paragraph (\p{Nd}+)/u.exec(gold)?.[1]);

/** Likeness of the first line that is code: without a backtick, `#` or `//`. */
export const code: Measure = (answer, gold) => {
  const lines = answer.replace(/^\n+/, "").split("\n");
  return similarity(lines.find((line) => !/[`#]|\/\//.test(line)) ?? "", gold) / 100;
};

function shareOfNumbers(answer: string, right: string | undefined): number {
  const numbers = answer.match(/\p{Nd}+/gu) ?? [];
  return numbers.length === 0 ? 0 : numbers.filter((number) => number === right).length / numbers.length;
}
