import { type ErrorCode, isKvDistillError } from "../../util/errors.ts";
import type { Failure } from "../jobs/payload.ts";

/** Faults of the machine, not of the job: another worker may do what this one cannot, and so may this one when the fault is gone. */
const OF_THE_MACHINE: readonly ErrorCode[] = ["disk", "network", "device-unavailable"];

/** Faults of the job itself: it would fail again in the same way. */
const OF_THE_JOB: readonly ErrorCode[] = [
  "bad-argument",
  "unsupported",
  "context-too-long",
  "model-mismatch",
  "too-large",
];

/** Whether a failure that was told in a result may be gone at another try. */
export function mayPass({ code }: Failure): boolean {
  return !(OF_THE_JOB as readonly string[]).includes(code);
}

export function isMachineFault(error: unknown): boolean {
  return isKvDistillError(error) && OF_THE_MACHINE.includes(error.code);
}

export function isJobFault(error: unknown): boolean {
  return isKvDistillError(error) && OF_THE_JOB.includes(error.code);
}
