import { createHash } from "node:crypto";
import { chmod, rename, rm, stat } from "node:fs/promises";
import { fileDigest } from "../../models/loading/file-digest.ts";
import { diskError, isSystemError } from "../../util/disk-error.ts";
import { KvDistillError } from "../../util/errors.ts";
import { removeStaleTemps, tempNameFor } from "../../util/temp-name.ts";
import { parseJson } from "../carried-json.ts";
import type { StoredFile } from "./key.ts";
import type { Store } from "./store.ts";

/** Inputs and results of jobs that are held in memory. */
const MAX_HELD_BYTES = 2 ** 30;

/**
 * Writes JSON under a name that its content decides, so that writing it twice changes nothing.
 * @param folder in the store
 */
export function putJson(store: Store, folder: string, value: unknown): Promise<StoredFile> {
  return putBytes(store, folder, "json", Buffer.from(JSON.stringify(value)));
}

export async function putBytes(
  store: Store,
  folder: string,
  extension: string,
  bytes: Uint8Array,
): Promise<StoredFile> {
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const key = `${folder}/${sha256}.${extension}`;
  await store.put(key, bytes);
  return { key, sha256, bytes: bytes.length };
}

/** The same for a file of this machine. */
export async function putFile(store: Store, folder: string, extension: string, file: string): Promise<StoredFile> {
  const sha256 = await fileDigest(file);
  const key = `${folder}/${sha256}.${extension}`;
  await store.put(key, { file });
  return { key, sha256, bytes: (await stat(file)).size };
}

/** @throws KvDistillError `checksum-mismatch`, and as `Store.get` */
export async function getBytes(store: Store, { key, sha256, bytes }: StoredFile): Promise<Uint8Array> {
  if (bytes > MAX_HELD_BYTES) {
    throw new KvDistillError("too-large", "the file is too large to be held", { where: key, got: `${bytes} bytes` });
  }
  const found = await store.get(key, bytes);
  checkDigest(store, key, sha256, createHash("sha256").update(found).digest("hex"));
  return found;
}

/** @throws KvDistillError `bad-argument` for what is no JSON, and as `getBytes` */
export async function getJson(store: Store, file: StoredFile): Promise<unknown> {
  return parseJson(Buffer.from(await getBytes(store, file)).toString("utf8"), file.key);
}

/**
 * Copies a file of the store to this machine, once its bytes are the right ones.
 * @param mode permission bits; without it the process's mask decides
 * @throws KvDistillError as `getBytes`
 */
export async function fetchFile(
  store: Store,
  { key, sha256 }: StoredFile,
  path: string,
  { mode }: { readonly mode?: number } = {},
): Promise<void> {
  await removeStaleTemps(path);
  const temp = tempNameFor(path);
  try {
    await store.fetch(key, temp);
    checkDigest(store, key, sha256, await fileDigest(temp));
    if (mode !== undefined) await chmod(temp, mode);
    await rename(temp, path);
  } catch (error) {
    await rm(temp, { force: true }).catch(() => undefined);
    throw isSystemError(error) ? diskError(error, path, "cannot write the file") : error;
  }
}

function checkDigest(store: Store, key: string, expected: string, got: string): void {
  if (got === expected) return;
  throw new KvDistillError("checksum-mismatch", "the store holds other bytes than the job says", {
    where: `${store.where}/${key}`,
    expected: `sha256 ${expected}`,
    got: `sha256 ${got}`,
  });
}
