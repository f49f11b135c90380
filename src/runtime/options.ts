import { KvDistillError } from "../util/errors.ts";

/** Where graphs run. `cpu` works everywhere; see docs/decisions/0002-runtime-in-a-worker.md for the others. */
export type Device = "cpu" | "webgpu" | "cuda";

export const DEVICES: readonly Device[] = ["cpu", "webgpu", "cuda"];

export interface RuntimeOptions {
  /** Default `cpu`. */
  readonly device?: Device;
  /** Threads inside one operator on the CPU; default: as many as the process may use. */
  readonly threads?: number;
  /** Folder that exists: ONNX Runtime leaves a trace of every program there when the runtime is closed. It costs time. */
  readonly profile?: string;
}

/** `wasm` is ONNX Runtime's name for the processor in a browser. */
export type EngineDevice = Device | "wasm";

export interface Settings extends Pick<RuntimeOptions, "profile"> {
  readonly device: EngineDevice;
  readonly threads: number;
}

/**
 * Options with their defaults filled in.
 * @param defaultThreads as many as the process may use
 * @throws KvDistillError `bad-argument` with every fault at once.
 */
export function checkOptions(options: RuntimeOptions, defaultThreads: number): Settings {
  const { device = "cpu", threads = defaultThreads, profile, ...others } = options;
  const faults = Object.keys(others).map((name) => `${name}: no such option; there are device, threads, profile`);
  if (!DEVICES.includes(device)) faults.push(`device: expected ${DEVICES.join(", ")}; got ${JSON.stringify(device)}`);
  if (!Number.isSafeInteger(threads) || threads < 1) {
    faults.push(`threads: expected a whole number from 1; got ${JSON.stringify(threads)}`);
  }
  if (faults.length > 0) throw new KvDistillError("bad-argument", "the runtime's options are wrong", { faults });
  return { device, threads, ...(profile === undefined ? {} : { profile }) };
}
