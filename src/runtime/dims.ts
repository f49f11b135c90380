import { KvDistillError } from "../util/errors.ts";

/** @throws KvDistillError `bad-argument` unless every dimension is a whole number from 0. */
export function checkDims(where: string, dims: readonly number[]): void {
  if (dims.every((dim) => Number.isSafeInteger(dim) && dim >= 0)) return;
  throw new KvDistillError("bad-argument", "not a shape", {
    where,
    expected: "whole numbers from 0",
    got: `[${dims.join(", ")}]`,
  });
}
