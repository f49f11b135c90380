import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
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
  const folder = await mkdtemp(join(tmpdir(), "kv-distill-adapter-"));
  // ONNX Runtime's log goes to a file: of what it writes to a pipe that is full, lines are lost.
  const log = await open(join(folder, "stderr"), "w");
  try {
    const child = spawn(process.execPath, ["--import", import.meta.resolve("tsx"), file], {
      env: { ...process.env, VK_ICD_FILENAMES: icd, LD_LIBRARY_PATH: dirname(ICD) },
      stdio: ["ignore", "pipe", log.fd],
    });
    const [stdout, [code]] = (await Promise.all([text(child.stdout ?? Readable.from([])), once(child, "exit")])) as [
      string,
      [number | null],
    ];
    const stderr = await readFile(join(folder, "stderr"), "utf8");
    if (code !== 0) throw new Error(`${script} ended with ${String(code)}: ${stderr.slice(-4000)}`);
    return { printed: JSON.parse(stdout), stderr };
  } finally {
    await log.close();
    await rm(folder, { recursive: true });
  }
}
