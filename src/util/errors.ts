import { shownFault } from "./fault-list.ts";

/** Every error this package throws on purpose carries one of these codes. The list is closed: callers may switch on it. */
export type ErrorCode =
  | "bad-argument" // an option, flag, config value or request is wrong
  | "bad-file" // a file or stream is malformed
  | "too-large" // a declared size is over a cap, or over what the format allows
  | "not-found" // a file, model, adapter, tensor or name does not exist
  | "network" // a transfer failed
  | "checksum-mismatch" // bytes differ from their recorded hash
  | "disk" // the disk is full, or a file cannot be read or written
  | "unsupported" // valid input that this package does not handle
  | "shape-mismatch" // tensor or graph shapes or types do not fit
  | "invalid-graph" // a graph breaks a rule of the IR: a bug in the code that built it
  | "out-of-memory" // the device or the process has too little memory
  | "device-unavailable" // the asked-for device is not on this machine
  | "engine" // ONNX Runtime failed
  | "peer" // a process that is measured beside this one failed, was silent or broke the protocol
  | "model-mismatch" // a cache, adapter or checkpoint belongs to another model
  | "context-too-long" // more tokens than the model or the limit takes
  | "not-finite" // NaN or infinity where a number is needed
  | "cancelled"; // the caller asked to stop

export interface ErrorFacts {
  /** File, tensor, flag or field that the error is about. */
  readonly where?: string;
  readonly expected?: string;
  readonly got?: string;
  /** What the person can do about it. */
  readonly hint?: string;
  /** All faults at once, where several were found (configs). */
  readonly faults?: readonly string[];
  readonly cause?: unknown;
}

const MARKER = Symbol.for("kv-distill.error");

/** The one error class of the package: a code for machines; what, where, expected, got and a hint for people. */
export class KvDistillError extends Error {
  readonly code: ErrorCode;
  readonly facts: ErrorFacts;
  readonly [MARKER] = true;

  constructor(code: ErrorCode, what: string, given: ErrorFacts = {}) {
    // What was found in a file may be as long as the file.
    const facts = given.got === undefined ? given : { ...given, got: shownFault(given.got) };
    super(sentence(what, facts), facts.cause === undefined ? undefined : { cause: facts.cause });
    this.name = "KvDistillError";
    this.code = code;
    this.facts = facts;
  }
}

/** True for errors of this package, also across duplicated copies of it (no `instanceof`). */
export function isKvDistillError(error: unknown): error is KvDistillError {
  return typeof error === "object" && error !== null && MARKER in error;
}

function sentence(what: string, facts: ErrorFacts): string {
  const parts = [facts.where === undefined ? what : `${facts.where}: ${what}`];
  if (facts.expected !== undefined) parts.push(`expected ${facts.expected}`);
  if (facts.got !== undefined) parts.push(`got ${facts.got}`);
  let text = parts.join("; ");
  for (const fault of facts.faults ?? []) text += `\n  - ${shownFault(fault)}`;
  if (facts.hint !== undefined) text += `\n  hint: ${facts.hint}`;
  return text;
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
