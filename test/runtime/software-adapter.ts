import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { TestContext } from "vitest";

// Debian's package `chromium-common` brings a Vulkan driver that runs on the CPU, and the loader for it. Both have to be known
// before the process starts, hence processes of their own.
const ICD = "/usr/lib/chromium/vk_swiftshader_icd.json";

/** Why the software adapter cannot be had; undefined when it can. */
export const missingAdapter = existsSync(ICD)
  ? undefined
  : `no software adapter: ${ICD} is missing (Debian package chromium-common; tools/ci/webgpu-adapter.sh installs it)`;

/** For starting processes and compiling shaders on a busy machine. */
export const ADAPTER_TIMEOUT = 300_000;

/** Skips a test and says why, when there is no software adapter. */
export function needsAdapter(context: TestContext): void {
  if (missingAdapter === undefined) return;
  console.log(`skipped: ${context.task.name}: ${missingAdapter}`);
  context.skip(missingAdapter);
}

export interface ChildOutput {
  /** What the script printed, read as JSON. */
  readonly printed: unknown;
  readonly stderr: string;
}

/**
 * Runs a script in a process where WebGPU finds the software adapter, or, with `icd` naming a missing file, no adapter at all.
 * @param script name beside `base`, the URL of the caller
 */
export async function runOnAdapter(script: string, base: string, { icd = ICD } = {}): Promise<ChildOutput> {
  const file = fileURLToPath(new URL(script, base));
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    ["--import", import.meta.resolve("tsx"), file],
    { env: { ...process.env, VK_ICD_FILENAMES: icd, LD_LIBRARY_PATH: dirname(ICD) }, maxBuffer: 64 * 2 ** 20 },
  );
  return { printed: JSON.parse(stdout), stderr };
}
