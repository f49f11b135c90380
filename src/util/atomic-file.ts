import { open, rename, rm, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { diskError, isSystemError } from "./disk-error.ts";
import { removeStaleTemps, tempNameFor } from "./temp-name.ts";

export interface AtomicFileOptions {
  /** Permission bits of the finished file, set exactly, whatever the process's mask. Without it the mask decides. */
  readonly mode?: number;
}

/** Bytes to write in order: one piece, or pieces made as they are needed. */
export type ByteChunks = Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/**
 * Writes a whole file or nothing: temporary file beside it, fsync, rename over `path`, fsync of the folder.
 * A failure at any point leaves an earlier file at `path` as it was and no temporary file behind.
 * Chunks are written one by one, so that a file larger than memory can be written.
 * @throws KvDistillError `disk`, `not-found` (no such folder), or whatever `chunks` throws.
 */
export async function writeFileAtomic(
  path: string,
  chunks: ByteChunks,
  options: AtomicFileOptions = {},
): Promise<void> {
  await removeStaleTemps(path);
  const temp = tempNameFor(path);
  try {
    await writeAndSync(temp, chunks, options.mode);
    await rename(temp, path);
  } catch (error) {
    await rm(temp, { force: true }).catch(() => undefined);
    throw isSystemError(error) ? diskError(error, path, "cannot write the file") : error;
  }
  await syncFolder(dirname(path));
}

async function writeAndSync(temp: string, chunks: ByteChunks, mode: number | undefined): Promise<void> {
  const file = await open(temp, "wx", mode ?? 0o666);
  try {
    if (mode !== undefined) await file.chmod(mode);
    for await (const chunk of chunks instanceof Uint8Array ? [chunks] : chunks) await writeAll(file, chunk);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** One write call may take only part of the bytes. */
async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  const atOnce = 1 << 26;
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, Math.min(atOnce, bytes.length - done));
    done += bytesWritten;
  }
}

/**
 * Makes renames inside a folder survive a power cut.
 * @throws KvDistillError `disk`.
 */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return; // Windows cannot open a folder and needs no such call
  try {
    const handle = await open(folder, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw diskError(error, folder, "cannot flush the folder to disk");
  }
}
