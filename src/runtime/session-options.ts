import { join } from "node:path";
import type { InferenceSession } from "onnxruntime-node";
import type { RequestOf } from "./messages.ts";
import type { Settings } from "./options.ts";

/** Longer than from one operator to the next. */
const SPIN_MICROSECONDS = "50";

/**
 * How sessions are set up. Errors are thrown, so logging to stderr is off.
 * - Threads spin for a moment while they wait: waking one for every operator costs a decoding step 7 of 40 ms. Not for long: every session has threads
 *   of its own, and those of idle sessions would take the cores from the one that runs.
 * - No memory patterns: they keep a second block as large as the largest run (266 against 144 MB) and win no time.
 * The measurements are in docs/decisions/0002-runtime-in-a-worker.md.
 */
export function sessionOptions(
  { device, threads, profile }: Settings,
  { name, programId, weightsFolder, prepack }: Omit<RequestOf<"load">, "bytes" | "weights">,
): InferenceSession.SessionOptions {
  const folder = weightsFolder === undefined ? {} : { model_external_initializers_file_folder_path: weightsFolder };
  return {
    executionProviders: [device],
    executionMode: "sequential",
    enableMemPattern: false,
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 4,
    // ONNX Runtime adds the time and `.json`.
    ...(profile === undefined
      ? {}
      : { enableProfiling: true, profileFilePrefix: join(profile, `${name.replace(/[^\w.-]/g, "-")}@${programId}`) }),
    extra: {
      session: {
        "intra_op.allow_spinning": "1",
        "intra_op.spin_duration_us": SPIN_MICROSECONDS,
        disable_prepacking: prepack ? "0" : "1",
        ...folder,
      },
    },
  };
}
