import { expect } from "vitest";
import { type ErrorCode, isKvDistillError, type KvDistillError } from "../../src/util/errors.ts";

/** The error that a promise fails with, which must have this code. */
export async function errorOf(promise: Promise<unknown>, code: ErrorCode): Promise<KvDistillError> {
  const outcome = await promise.then(
    () => "it did not fail",
    (error: unknown) => error,
  );
  if (!isKvDistillError(outcome)) throw new Error(`expected a KvDistillError; got ${String(outcome)}`);
  expect(outcome.code).toBe(code);
  return outcome;
}
