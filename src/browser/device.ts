import { KvDistillError } from "../util/errors.ts";
import { platform, type WebPlatform } from "./platform.ts";

/** Where graphs run in a browser: the graphics processor, or the processor by WebAssembly. */
export type BrowserDevice = "webgpu" | "wasm";
const DEVICES: readonly string[] = ["webgpu", "wasm"] satisfies readonly BrowserDevice[];

export interface DeviceOptions {
  /** By default WebGPU where `navigator.gpu` gives an adapter, else WebAssembly. A device that is asked for is never replaced by another. */
  readonly device?: BrowserDevice;
  /** Threads of WebAssembly; by default as many as there are processors, or 1 in a page that is not cross-origin isolated. */
  readonly threads?: number;
}

/** The device that runs, and why that one. */
export interface DeviceChoice {
  readonly device: BrowserDevice;
  readonly threads: number;
  readonly reason: string;
}

const ISOLATION =
  "the page is not cross-origin isolated: serve it over https or from localhost with the headers " +
  "Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp";

/**
 * Chooses a device.
 * @throws KvDistillError `bad-argument` for an unknown device or number of threads, `device-unavailable` for what was asked for and is not there
 */
export async function chooseDevice(
  { device, threads }: DeviceOptions,
  { navigator, crossOriginIsolated }: Pick<WebPlatform, "navigator" | "crossOriginIsolated"> = platform,
): Promise<DeviceChoice> {
  checkOptions(device, threads);
  const missing = device === "wasm" ? undefined : await missingAdapter(navigator);
  if (device === "webgpu" && missing !== undefined) {
    throw new KvDistillError("device-unavailable", "the device webgpu is not available", {
      got: missing,
      hint: "leave the device out to take what there is, or name wasm, which always works",
    });
  }
  if (device !== "wasm" && missing === undefined) {
    return {
      device: "webgpu",
      threads: 1,
      reason: device === undefined ? "navigator.gpu gives an adapter" : "asked for",
    };
  }
  const why = device === "wasm" ? "asked for" : `no WebGPU: ${missing ?? ""}`;
  if (crossOriginIsolated === true) {
    const count = threads ?? navigator?.hardwareConcurrency ?? 1;
    return { device: "wasm", threads: count, reason: why };
  }
  if (threads !== undefined && threads > 1) {
    throw new KvDistillError("device-unavailable", "threads are not available", { got: ISOLATION });
  }
  return { device: "wasm", threads: 1, reason: threads === 1 ? why : `${why}; one thread: ${ISOLATION}` };
}

function checkOptions(device: string | undefined, threads: number | undefined): void {
  const faults: string[] = [];
  if (device !== undefined && !DEVICES.includes(device)) {
    faults.push(`device: expected ${DEVICES.join(", ")}; got ${JSON.stringify(device)}`);
  }
  if (threads !== undefined && (!Number.isSafeInteger(threads) || threads < 1)) {
    faults.push(`threads: expected a whole number from 1; got ${threads}`);
  }
  if (device === "webgpu" && threads !== undefined) faults.push("threads: only WebAssembly has them");
  if (faults.length > 0) throw new KvDistillError("bad-argument", "the device's options are wrong", { faults });
}

/** Why there is no adapter; undefined when there is one. */
async function missingAdapter(navigator: WebPlatform["navigator"]): Promise<string | undefined> {
  if (navigator?.gpu === undefined) return "this browser, or a page that is not served securely, has no navigator.gpu";
  return (await navigator.gpu.requestAdapter()) === null ? "navigator.gpu gives no adapter" : undefined;
}
