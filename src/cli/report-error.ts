import { isKvDistillError, messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";

/** Tells on stderr why a command failed: for people, or as one line of JSON. */
export function reportError(error: unknown, json: boolean, log: Logger, write: (line: string) => void): void {
  if (json) {
    if (log.level !== "silent") write(`${JSON.stringify({ error: errorFacts(error) })}\n`);
  } else if (isKvDistillError(error)) {
    log.error(`[${error.code}] ${error.message}`);
  } else {
    log.error(`[internal] ${messageOf(error)}\n  hint: this is a bug of kv-distill; KV_DISTILL_LOG=debug shows where`);
  }
  log.debug(() => (error instanceof Error ? (error.stack ?? error.message) : String(error)));
}

/** An error for machines; facts that it does not have are null. */
function errorFacts(error: unknown): Readonly<Record<string, unknown>> {
  const empty = { where: null, expected: null, got: null, hint: null };
  if (!isKvDistillError(error)) return { code: "internal", message: messageOf(error), ...empty };
  const { where, expected, got, hint, faults } = error.facts;
  const facts = { ...empty, ...defined({ where, expected, got, hint, faults }) };
  return { code: error.code, message: error.message, ...facts };
}

function defined(record: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined));
}
