import { stat } from "node:fs/promises";
import { diskError } from "../util/disk-error.ts";

/**
 * Whether a path is a folder (an adapter) or a file (a cache).
 * @throws KvDistillError `not-found`, `disk`
 */
export async function isFolder(path: string): Promise<boolean> {
  const facts = await stat(path).catch((error: unknown) => {
    throw diskError(error, path, "cannot look at the path");
  });
  return facts.isDirectory();
}
