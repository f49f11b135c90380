import { ANSWERS_JOB } from "./answers.ts";
import { COMPRESS_JOB } from "./compress.ts";
import { EVAL_JOB } from "./eval.ts";
import { GRADIENTS_JOB } from "./gradients.ts";
import { INNER_STEPS_JOB } from "./inner-steps.ts";
import type { JobKind } from "./kind.ts";

/** Every sort of work that a worker does, by name. What is not here is refused. */
export const JOB_KINDS: ReadonlyMap<string, JobKind<unknown, unknown>> = new Map(
  [ANSWERS_JOB, COMPRESS_JOB, EVAL_JOB, GRADIENTS_JOB, INNER_STEPS_JOB].map((kind) => [
    kind.name,
    kind as unknown as JobKind<unknown, unknown>,
  ]),
);
