import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { openSafetensors, type SafetensorsFile } from "../../formats/safetensors/open.ts";
import { type TensorSource, writeSafetensors } from "../../formats/safetensors/write.ts";
import { diskError, isSystemError } from "../../util/disk-error.ts";
import { fetchFile, putFile } from "./checked-file.ts";
import type { StoredFile } from "./key.ts";
import type { Store } from "./store.ts";

/**
 * Writes tensors to a store, as a safetensors file that is named by its content.
 * @param scratch a folder of this machine
 */
export function putTensors(
  store: Store,
  folder: string,
  tensors: readonly TensorSource[],
  scratch: string,
): Promise<StoredFile> {
  return inScratch(scratch, async (path) => {
    await writeSafetensors(path, tensors);
    return putFile(store, folder, "safetensors", path);
  });
}

/**
 * Reads a file of tensors, once its bytes are the right ones.
 * @throws KvDistillError `checksum-mismatch`, `bad-file`, as `Store.fetch`, and as `read`
 */
export function readTensors<T>(
  store: Store,
  file: StoredFile,
  scratch: string,
  read: (file: SafetensorsFile) => Promise<T>,
): Promise<T> {
  return inScratch(scratch, async (path) => {
    await fetchFile(store, file, path);
    return read(await openSafetensors(path));
  });
}

async function inScratch<T>(scratch: string, work: (path: string) => Promise<T>): Promise<T> {
  let own: string;
  try {
    own = await mkdtemp(join(scratch, "tensors-"));
  } catch (error) {
    throw isSystemError(error) ? diskError(error, scratch, "cannot make a folder") : error;
  }
  try {
    return await work(join(own, "file.safetensors"));
  } finally {
    await rm(own, { recursive: true, force: true });
  }
}
