import { expect, test } from "vitest";
import { engineError } from "../../src/runtime/engine-error.ts";

// What the providers say, word for word where it was seen (CPU, WebGPU); of CUDA as its sources have it.
test.each([
  ["Failed to allocate memory for requested buffer of size 1024", "a request for 1.02 kB (1024 bytes)"],
  [
    "WebGPU validation failed. Buffer size (10000000000) exceeds the max buffer size limit (1073741824).\n - While calling [Device].CreateBuffer([BufferDescriptor]).",
    "a request for 10.0 GB (10000000000 bytes)",
  ],
  [
    "WebGPU validation failed. [Invalid Buffer (unlabeled)] is invalid due to a previous error.",
    "WebGPU validation failed. [Invalid Buffer (unlabeled)] is invalid due to a previous error.",
  ],
  [
    "Non-zero status code returned while running Expand node. Name:'' Status Message: narrowing_error",
    "Non-zero status code returned while running Expand node. Name:'' Status Message: narrowing_error",
  ],
  [
    "vkAllocateMemory failed with VK_ERROR_OUT_OF_DEVICE_MEMORY",
    "vkAllocateMemory failed with VK_ERROR_OUT_OF_DEVICE_MEMORY",
  ],
  ["CUDA failure 2: out of memory ; GPU=0", "CUDA failure 2: out of memory ; GPU=0"],
  ["CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED", "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED"],
  ["std::bad_alloc", "std::bad_alloc"],
])("missing memory: %s", (thrown, got) => {
  const { code, facts } = engineError(thrown, "program");
  expect({ code, got: facts.got }).toEqual({ code: "out-of-memory", got });
  expect(facts.hint).toContain("shorter inputs");
});

test("what the caller asked for is believed before the message", () => {
  expect(engineError("Array buffer allocation failed", "upload", 4096).facts.got).toBe(
    "a request for 4.10 kB (4096 bytes)",
  );
});

test("anything else is the engine's, without the place in its sources", () => {
  const { code, facts } = engineError(
    "/onnxruntime_src/onnxruntime/core/providers/webgpu/webgpu_context.cc:136 onnxruntime::webgpu::WebGpuContext::Initialize(const " +
      "onnxruntime::webgpu::WebGpuContextConfig&)::<lambda()> adapter_result.status == wgpu::RequestAdapterStatus::Success was false. " +
      "Failed to get a WebGPU adapter: No supported adapters",
    "device webgpu",
  );
  expect({ code, got: facts.got }).toEqual({
    code: "engine",
    got: "Failed to get a WebGPU adapter: No supported adapters",
  });
  expect(engineError(" Invalid rank for input: x ", "program").facts.got).toBe("Invalid rank for input: x");
});
