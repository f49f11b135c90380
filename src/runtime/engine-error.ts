import { type ErrorFacts, KvDistillError, messageOf } from "../util/errors.ts";
import { formatBytes } from "../util/format.ts";

/** How the providers and JavaScript say that memory is missing. */
const NO_MEMORY = new RegExp(
  [
    "failed to allocate|bad_alloc|allocation failed|invalid (typed )?array (buffer )?length",
    "out[ _]of[ _]((host|device)[ _])?memory|alloc_failed",
    // WebGPU: a buffer above the device's limit, what is then done with it, and more elements than its kernels count.
    "exceeds the max buffer size|\\[invalid buffer|narrowing_error",
  ].join("|"),
  "i",
);
const ASKED_BYTES = /(?:requested buffer of size |Buffer size \()(\d+)/;
/** Where in ONNX Runtime's own sources a condition failed; what people need comes after it. */
const SOURCE_LOCATION = /\/onnxruntime_src\/\S+:\d+ .* was false\. */;

/**
 * What ONNX Runtime or the worker threw, as an error of this package: `out-of-memory` or `engine`.
 * @param askedBytes size of the allocation, when the caller knows it better than the message
 */
export function engineError(thrown: string, where: string, askedBytes?: number): KvDistillError {
  const said = thrown.replace(SOURCE_LOCATION, "").trim();
  if (!NO_MEMORY.test(thrown)) return new KvDistillError("engine", "ONNX Runtime failed", { where, got: said });
  const bytes = askedBytes ?? ASKED_BYTES.exec(thrown)?.[1];
  const facts: ErrorFacts = {
    where,
    got: bytes === undefined ? said : `a request for ${formatBytes(Number(bytes))} (${bytes} bytes)`,
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
