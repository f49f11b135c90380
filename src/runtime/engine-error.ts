import { type ErrorFacts, KvDistillError, messageOf } from "../util/errors.ts";
import { formatBytes } from "../util/format.ts";

const NO_MEMORY =
  /failed to allocate|bad_alloc|out of memory|out_of_memory|allocation failed|invalid (typed )?array (buffer )?length/i;
const ASKED_BYTES = /requested buffer of size (\d+)/;

/**
 * What ONNX Runtime or the worker threw, as an error of this package: `out-of-memory` or `engine`.
 * @param askedBytes size of the allocation, when the caller knows it better than the message
 */
export function engineError(thrown: string, where: string, askedBytes?: number): KvDistillError {
  if (!NO_MEMORY.test(thrown))
    return new KvDistillError("engine", "ONNX Runtime failed", { where, got: thrown.trim() });
  const bytes = askedBytes ?? ASKED_BYTES.exec(thrown)?.[1];
  const facts: ErrorFacts = {
    where,
    got: bytes === undefined ? thrown.trim() : `a request for ${formatBytes(Number(bytes))} (${bytes} bytes)`,
    hint: "use shorter inputs or smaller batches, release what is no longer needed, or take a machine with more memory",
  };
  return new KvDistillError("out-of-memory", "too little memory", facts);
}

/**
 * Runs something that allocates `bytes` in this thread.
 * @throws KvDistillError `out-of-memory`
 */
export function allocating<T>(where: string, bytes: number, allocate: () => T): T {
  try {
    return allocate();
  } catch (error) {
    throw engineError(messageOf(error), where, bytes);
  }
}
