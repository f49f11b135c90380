import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

/** A folder that is removed after the test file's last test. */
export function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "kv-distill-train-"));
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });
  return folder;
}
