// Asks for WebGPU where there is no adapter, and prints the error's facts as JSON.
import { createRuntime } from "../../src/runtime/runtime.ts";
import { isKvDistillError } from "../../src/util/errors.ts";

try {
  await (await createRuntime({ device: "webgpu" })).close();
  process.stdout.write(JSON.stringify("there is an adapter"));
} catch (error) {
  if (!isKvDistillError(error)) throw error;
  process.stdout.write(JSON.stringify({ code: error.code, got: error.facts.got, hint: error.facts.hint }));
}
