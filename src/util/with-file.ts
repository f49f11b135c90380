import { open, type FileHandle } from "node:fs/promises";
import { diskError } from "./disk-error.ts";
import { KvDistillError } from "./errors.ts";

/**
 * Opens a regular file for reading, hands it over with its size in bytes, and closes it whatever happens.
 * @throws KvDistillError `not-found`, `disk`, `bad-file` (not a regular file), or what `use` throws.
 */
export async function withFile<T>(path: string, use: (file: FileHandle, size: number) => Promise<T>): Promise<T> {
  const file = await openForReading(path);
  try {
    const facts = await file.stat();
    if (!facts.isFile()) throw new KvDistillError("bad-file", "not a regular file", { where: path });
    return await use(file, facts.size);
  } finally {
    await file.close();
  }
}

async function openForReading(path: string): Promise<FileHandle> {
  try {
    return await open(path, "r");
  } catch (error) {
    throw diskError(error, path, "cannot open the file");
  }
}
