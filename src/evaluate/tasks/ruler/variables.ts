import type { Random } from "../../../util/random.ts";
import { NOISE } from "./needles.ts";
import { drawPlaces, type RulerGenerator } from "./sample.ts";

const HOPS = 4;
const NAME_LENGTH = 5;

/** A chain of assignments among lines of noise: which variables have the value? (variable_tracking.py, one chain of four hops) */
export const variableTracking: RulerGenerator = {
  least: HOPS + 1,
  make: (random, size) => {
    const names = new Set<string>();
    while (names.size <= HOPS) names.add(variable(random));
    const [first = "", ...others] = names;
    const value = String(10_000 + random.integer(89_999));
    const chain = [
      `VAR ${first} = ${value}`,
      ...others.map((name, i) => `VAR ${name} = VAR ${[first, ...others][i] ?? ""} `),
    ];
    const lines = Array.from({ length: size }, () => NOISE);
    const places = drawPlaces(random, size, chain.length).sort((a, b) => a - b);
    places.forEach((place, i) => lines.splice(place + i, 0, chain[i] ?? ""));
    return {
      context:
        "Memorize and track the chain(s) of variable assignment hidden in the following text.\n\n" +
        lines.join("\n").replaceAll(". \n", ".\n"),
      question: `Question: Find all variables that are assigned the value ${value} in the text above.`,
      answerPrefix:
        "Answer: According to the chain(s) of variable assignment in the text above, " +
        `${HOPS + 1} variables are assigned the value ${value}, they are:`,
      references: [...names],
      answer: [...names].join(" "),
    };
  },
};

function variable(random: Random): string {
  return Array.from({ length: NAME_LENGTH }, () => String.fromCharCode(65 + random.integer(26))).join("");
}
