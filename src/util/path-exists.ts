import { stat } from "node:fs/promises";
import { diskError, systemCodeOf } from "./disk-error.ts";

/**
 * Whether a file or folder is at `path`; links are followed.
 * @throws KvDistillError `disk` when that cannot be found out.
 */
export async function pathExists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT") return false;
    throw diskError(error, path, "cannot look at the path");
  }
}
