import type { OpName } from "../../src/graph/operators.ts";
import { attentionCases } from "./cases/attention.ts";
import type { OpCase } from "./cases/case.ts";
import { elementwiseCases } from "./cases/elementwise.ts";
import { leafCases } from "./cases/leaves.ts";
import { linearCases } from "./cases/linear.ts";
import { movementCases } from "./cases/movement.ts";
import { normalisationCases } from "./cases/normalisation.ts";

/** Operators that compute something: all but the leaves that are fed. */
export type ComputedOp = Exclude<OpName, "Input" | "Weight">;

/** Total over the computed operators: an operator without a case does not compile. */
export const cases: Readonly<Record<ComputedOp, readonly [OpCase, ...OpCase[]]>> = {
  ...leafCases,
  ...elementwiseCases,
  ...linearCases,
  ...normalisationCases,
  ...movementCases,
  ...attentionCases,
};

export const caseList: readonly { readonly op: ComputedOp; readonly opCase: OpCase; readonly seed: number }[] =
  Object.entries(cases).flatMap(([op, ofOp], i) =>
    ofOp.map((opCase, j) => ({ op: op as ComputedOp, opCase, seed: 100 * i + j })),
  );
