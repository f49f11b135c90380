import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

/** Writes a file into a folder that is removed after the test file's last test, and returns its path. */
export type WriteFile = (name: string, bytes: string | Uint8Array) => string;

export function tempFiles(): WriteFile {
  const folder = mkdtempSync(join(tmpdir(), "kv-distill-data-"));
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });
  return (name, bytes) => {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    return path;
  };
}

/** All that an async iterable gives. */
export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}
