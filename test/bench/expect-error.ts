import { expect } from "vitest";
import { type ErrorCode, isKvDistillError } from "../../src/util/errors.ts";

/** The error of this code that something throws. */
export function expectError(work: () => unknown, code: ErrorCode): void {
  let thrown: unknown;
  try {
    work();
  } catch (error) {
    thrown = error;
  }
  expect(isKvDistillError(thrown) ? thrown.code : thrown).toBe(code);
}

/** Fails unless a promise is rejected with this code and a message that matches. */
export async function expectRejection(work: Promise<unknown>, code: ErrorCode, message: RegExp): Promise<void> {
  const thrown: unknown = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!isKvDistillError(thrown)) throw new Error(`expected an error, got ${String(thrown)}`);
  expect(thrown.code).toBe(code);
  expect(thrown.message).toMatch(message);
}
