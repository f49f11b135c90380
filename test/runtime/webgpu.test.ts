import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

// Debian's package `chromium` brings a Vulkan driver that runs on the CPU, and the loader for it. Both have to be known
// before the process starts, hence a process of its own.
const icd = "/usr/lib/chromium/vk_swiftshader_icd.json";
const reason = existsSync(icd) ? undefined : `no software adapter: ${icd} is missing (Debian package chromium)`;

test("operators of inference give on WebGPU what they give on the CPU", async (context) => {
  if (reason !== undefined) {
    console.log(`skipped: ${reason}`);
    context.skip(reason);
  }
  const script = fileURLToPath(new URL("./webgpu-child.ts", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ["--import", import.meta.resolve("tsx"), script], {
    env: { ...process.env, VK_ICD_FILENAMES: icd, LD_LIBRARY_PATH: dirname(icd) },
  });
  const differences = JSON.parse(stdout) as Record<string, number>;
  expect(Object.keys(differences)).toEqual(["MatMul", "Softmax", "Gather", "RotaryEmbedding"]);
  for (const [operator, difference] of Object.entries(differences)) expect(difference, operator).toBeLessThan(1e-5);
});
