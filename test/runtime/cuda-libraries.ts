import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { TestContext } from "vitest";

const onnxruntime = dirname(createRequire(import.meta.url).resolve("onnxruntime-node/package.json"));
const provider = join(onnxruntime, `bin/napi-v6/${process.platform}/${process.arch}/libonnxruntime_providers_cuda.so`);

/** Skips a test of CUDA being absent, and says why, where ONNX Runtime was installed with it. */
export function needsNoCuda(context: TestContext): void {
  if (!existsSync(provider)) return;
  const reason = `CUDA may be there: ${provider}`;
  console.log(`skipped: ${context.task.name}: ${reason}`);
  context.skip(reason);
}
