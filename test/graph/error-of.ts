import { expect } from "vitest";
import { type ErrorCode, isKvDistillError, type KvDistillError } from "../../src/util/errors.ts";

/** The error that `run` throws, which must have this code. */
export function errorOf(run: () => unknown, code: ErrorCode): KvDistillError {
  let thrown: unknown = "nothing was thrown";
  try {
    run();
  } catch (error) {
    thrown = error;
  }
  if (!isKvDistillError(thrown)) throw new Error(`expected a KvDistillError; got ${String(thrown)}`);
  expect(thrown.code).toBe(code);
  return thrown;
}
