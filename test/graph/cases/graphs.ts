import { input } from "../../../src/graph/build.ts";
import { evaluateShape } from "../../../src/graph/dims.ts";
import { defineGraph, type Graph } from "../../../src/graph/graph.ts";
import { array64 } from "../../../src/graph/interpreter/array.ts";
import { randomFromSeed } from "../../../src/util/random.ts";
import { type Feeds, randomArray } from "../feeds.ts";
import { wholeGradient } from "../whole-gradient.ts";
import type { OpCase } from "./case.ts";

const SYMBOLS = { B: 2, T: 3, P: 2, S: 4 };

export interface CaseGraphs {
  /** Inputs x0, x1, …; output y. */
  readonly forward: Graph;
  /** Inputs also d.y; outputs d.x<i> for every operand with a derivative. Undefined where nothing has one. */
  readonly backward: Graph | undefined;
  readonly feeds: Feeds;
}

export function caseGraphs({ title, operands, build, symbols }: OpCase, seed: number): CaseGraphs {
  const bindings = new Map(Object.entries({ ...SYMBOLS, ...symbols }));
  const inputs = operands.map(({ dtype, shape }, i) => input(`x${i}`, dtype, shape));
  const y = build(...inputs);
  const wrt = inputs.filter((node, i) => node.dtype === "float32" && operands[i]?.isData !== true);
  const named = Object.fromEntries(wrt.map((node) => [node.attributes.name, node]));
  const fed = operands.map(({ shape, values }, i) => {
    const random = randomFromSeed(seed, i);
    const value =
      typeof values === "function"
        ? randomArray(shape, bindings, () => values(random))
        : array64(evaluateShape(shape, bindings), values);
    return [`x${i}`, value] as const;
  });
  const random = randomFromSeed(seed, operands.length);
  return {
    forward: defineGraph(title, { y }, inputs),
    backward: y.dtype === "float32" && wrt.length > 0 ? wholeGradient({ y }, named, inputs) : undefined,
    feeds: { ...Object.fromEntries(fed), "d.y": randomArray(y.shape, bindings, () => random.normal()) },
  };
}
