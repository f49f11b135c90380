import { type Browser, chromium } from "playwright-core";

/** Chromium's own adapter that computes on the processor: correct, slow, and the same everywhere. */
const SOFTWARE_ADAPTER = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan"];

/**
 * Starts Chromium with WebGPU on the software adapter, or without WebGPU.
 * Where tests run as root Chromium has no sandbox of its own; the pages are the project's.
 */
export function launch(executablePath: string, webgpu: boolean): Promise<Browser> {
  return chromium.launch({
    executablePath,
    args: ["--no-sandbox", ...(webgpu ? SOFTWARE_ADAPTER : ["--disable-gpu"])],
  });
}
