import { spawnSync } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";

/** Whether this process may make file systems. */
export const canMount = process.getuid?.() === 0 && spawnSync("mount", ["--version"]).status === 0;

/** What fills a disk. */
const BALLAST = "ballast";
const BALLAST_BYTES = 2 ** 20;

/** A folder that has a disk of its own. */
export interface SmallDisk {
  /** Takes what room is left: nothing more can be written. */
  fill(): Promise<void>;
  /** Gives it back. */
  free(): Promise<void>;
}

/**
 * @param folder is made, and has a disk of its own while the work goes on
 * @param size of the disk, as mount takes it
 */
export async function withSmallDisk(
  folder: string,
  work: (disk: SmallDisk) => Promise<void>,
  size = "4k",
): Promise<void> {
  await mkdir(folder, { recursive: true });
  expect(spawnSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", folder]).status).toBe(0);
  const ballast = join(folder, BALLAST);
  try {
    await work({
      fill: async () => {
        const piece = Buffer.alloc(BALLAST_BYTES);
        const write = async (): Promise<never> => {
          for (;;) await writeFile(ballast, piece, { flag: "a" });
        };
        await expect(write()).rejects.toMatchObject({ code: "ENOSPC" });
      },
      free: () => rm(ballast),
    });
  } finally {
    spawnSync("umount", ["-l", folder]);
  }
}
