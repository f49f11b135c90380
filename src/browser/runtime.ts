import { openChannel } from "../runtime/channel.ts";
import { type DeviceFacts, probeDevice } from "../runtime/probe.ts";
import { type Runtime, runtimeOver } from "../runtime/runtime-over.ts";
import { KvDistillError } from "../util/errors.ts";
import type { DeviceChoice } from "./device.ts";
import { platform, type WebWorker } from "./platform.ts";
import { webPort } from "./port.ts";

export interface WorkerOptions {
  /** Makes the worker from the package's `kv-distill/browser/worker`, for bundlers that do not find it by themselves (docs/browser.md). */
  readonly worker?: () => WebWorker;
  /** URL of a folder with onnxruntime-web's `.mjs` and `.wasm` files; without it they are looked for beside its script. */
  readonly engineFiles?: string | URL;
}

const WEB_DEVICES: DeviceFacts = {
  engine: "onnxruntime-web",
  always: "wasm",
  hints: { webgpu: "it needs a browser with WebGPU and a graphics driver that it trusts" },
};

/**
 * ONNX Runtime in a worker of the page.
 * @throws KvDistillError `device-unavailable`, `engine` when the worker or ONNX Runtime does not start
 */
export async function createBrowserRuntime(choice: DeviceChoice, options: WorkerOptions): Promise<Runtime> {
  const { device, threads } = choice;
  const { engineFiles } = options;
  const worker = (options.worker ?? startWorker)();
  const files = engineFiles === undefined ? undefined : new URL(engineFiles, platform.location?.href).href;
  const channel = openChannel(webPort(worker, { device, threads, engineFiles: files }));
  try {
    await probeDevice(channel, device, WEB_DEVICES);
  } catch (error) {
    await channel.close();
    throw error;
  }
  return runtimeOver(channel, { device, threads }, { realFolder: noFiles, readTensor: noFiles });
}

/** Written so that bundlers see that worker.js is a script of its own. */
function startWorker(): WebWorker {
  if (typeof Worker === "undefined") throw new KvDistillError("unsupported", "there are no web workers here");
  return new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
}

declare const Worker: NonNullable<typeof platform.Worker>;

function noFiles(): Promise<never> {
  return Promise.reject(new KvDistillError("unsupported", "a browser has no files to read by their paths"));
}
