import type { InferenceSession } from "onnxruntime-web";
import type { OrtBuild } from "../runtime/engine.ts";
import type { WorkerSetup } from "./port.ts";

/**
 * onnxruntime-web as an engine. Its smaller build has no WebGPU provider, so only the one that is needed is fetched.
 * Files and threads are settings of the whole script: https://onnxruntime.ai/docs/tutorials/web/env-flags-and-session-options.html
 */
export async function webBuild({ device, threads, engineFiles }: WorkerSetup): Promise<OrtBuild> {
  const ort = device === "webgpu" ? await import("onnxruntime-web/webgpu") : await import("onnxruntime-web/wasm");
  ort.env.logLevel = "fatal";
  ort.env.wasm.numThreads = threads;
  // This is a worker already.
  ort.env.wasm.proxy = false;
  if (engineFiles !== undefined) ort.env.wasm.wasmPaths = engineFiles;
  return {
    Tensor: ort.Tensor,
    devices: () => (device === "webgpu" ? ["webgpu", "wasm"] : ["wasm"]),
    createSession: (bytes, { prepack }, weights) => {
      const options: InferenceSession.SessionOptions = {
        executionProviders: [device],
        executionMode: "sequential",
        enableMemPattern: false,
        logSeverityLevel: 4,
        externalData: [...weights].map(([path, data]) => ({ path, data })),
        // Threads that spin while they wait take the processors from the page, and from each other: see ../runtime/session-options.ts.
        extra: { session: { "intra_op.allow_spinning": "0", disable_prepacking: prepack ? "0" : "1" } },
      };
      return ort.InferenceSession.create(bytes, options);
    },
  };
}
