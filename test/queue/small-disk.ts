import { spawnSync } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { expect } from "vitest";

/** Whether this process may make file systems. */
export const canMount = process.getuid?.() === 0 && spawnSync("mount", ["--version"]).status === 0;

/** @param folder is made, and holds 4 KiB while the work goes on */
export async function withSmallDisk(folder: string, work: () => Promise<void>): Promise<void> {
  await mkdir(folder);
  expect(spawnSync("mount", ["-t", "tmpfs", "-o", "size=4k", "tmpfs", folder]).status).toBe(0);
  try {
    await work();
  } finally {
    spawnSync("umount", ["-l", folder]);
  }
}
