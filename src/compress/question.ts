import { KvDistillError } from "../util/errors.ts";
import type { CompressionRequest } from "./method.ts";

/**
 * The question that a question-aware method chooses by.
 * @throws KvDistillError `bad-argument` without one
 */
export function questionOf({ questionIds = [] }: CompressionRequest): readonly number[] {
  if (questionIds.length > 0) return questionIds;
  throw new KvDistillError("bad-argument", "the method chooses by the question and was given none", {
    where: "questionIds",
    hint: "it is for evaluation: a cache that anyone can ask needs a method that does not know the question",
  });
}
