import { statfs } from "node:fs/promises";
import { diskError } from "./disk-error.ts";
import { KvDistillError } from "./errors.ts";
import { formatBytes } from "./format.ts";

/**
 * Refuses before writing what would not fit; a disk that fills up meanwhile is told by the write itself.
 * @param what is to be written, as in "the float32 weights"
 * @throws KvDistillError `disk`, `not-found` (no such folder).
 */
export async function requireRoom(folder: string, bytes: number, what: string): Promise<void> {
  const { bavail, bsize } = await statfs(folder).catch((error: unknown) => {
    throw diskError(error, folder, "cannot find out how much room there is");
  });
  const room = bavail * bsize;
  if (room >= bytes) return;
  throw new KvDistillError("disk", `too little room for ${what}`, {
    where: folder,
    expected: formatBytes(bytes),
    got: formatBytes(room),
    hint: "free some space, or set KV_DISTILL_HOME to a folder on a larger disk",
  });
}
