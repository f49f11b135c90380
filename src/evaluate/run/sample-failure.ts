import { type ErrorCode, isKvDistillError, type KvDistillError } from "../../util/errors.ts";

/** Errors that one sample may run into; any other is a fault of the run and ends it. */
const SAMPLE_FAILURES: readonly ErrorCode[] = ["context-too-long", "out-of-memory", "engine", "not-finite"];

/** The error as one sample's failure. @throws the error itself when it is none */
export function sampleFailure(error: unknown): KvDistillError {
  if (isKvDistillError(error) && SAMPLE_FAILURES.includes(error.code)) return error;
  throw error;
}
