import { realpath } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { diskError } from "../util/disk-error.ts";
import { createGate } from "./busy-gate.ts";
import { openChannel } from "./channel.ts";
import { nodePort } from "./node-port.ts";
import { checkOptions, type RuntimeOptions } from "./options.ts";
import { type DeviceFacts, probeDevice } from "./probe.ts";
import { readTensor } from "./read-tensor.ts";
import { type Runtime, runtimeOver } from "./runtime-over.ts";
import { spawnWorker } from "./spawn-worker.ts";

export type { Device, RuntimeOptions } from "./options.ts";
export type { Feeds, KeptRun, Program } from "./program.ts";
export type { FileSource } from "./read-tensor.ts";
export type { Resident } from "./residents.ts";
export type { RowPiece } from "./messages.ts";
export type { OnnxProgram, RowCopy, Runtime } from "./runtime-over.ts";

const NODE_DEVICES: DeviceFacts = {
  engine: "onnxruntime-node",
  always: "cpu",
  hints: {
    cpu: "onnxruntime-node has no build for this platform",
    webgpu: "it needs a graphics driver for Vulkan, Metal or Direct3D 12",
    cuda:
      "it needs an NVIDIA driver, CUDA 12 with cuDNN 9, and the provider libraries that onnxruntime-node downloads when " +
      "it is installed on linux-x64 without onnxruntime-node-install=skip",
  },
};

/** @throws KvDistillError `bad-argument` with all faults, `device-unavailable`, `engine` when ONNX Runtime does not start */
export async function createRuntime(options: RuntimeOptions = {}): Promise<Runtime> {
  const settings = checkOptions(options, availableParallelism());
  const gate = createGate();
  const channel = openChannel(nodePort(spawnWorker({ settings, gate }), gate));
  try {
    await probeDevice(channel, settings.device, NODE_DEVICES);
  } catch (error) {
    await channel.close();
    throw error;
  }
  return runtimeOver(channel, settings, { realFolder, readTensor });
}

async function realFolder(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    throw diskError(error, path, "cannot open the weights' folder");
  }
}
