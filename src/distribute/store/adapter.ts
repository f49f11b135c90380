import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { adapterHash } from "../../cache/adapter-hash.ts";
import type { Adapter } from "../../cache/adapter.ts";
import { loadAdapter } from "../../cache/load-adapter.ts";
import { saveAdapter } from "../../cache/save-adapter.ts";
import type { ModelFiles } from "../../models/model-files.ts";
import { boundedList } from "../../util/bounded-list.ts";
import { KvDistillError } from "../../util/errors.ts";
import { fetchFile, putFile } from "./checked-file.ts";
import { storedFileSchema } from "./key.ts";
import type { Store } from "./store.ts";

const fileName = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,100}$/, "not the name of a file");

/** An adapter whose files lie in a store. */
export const storedAdapterSchema = z.strictObject({
  /** Of what it computes (`adapterHash`). */
  hash: z.string().regex(/^[0-9a-f]{64}$/, "not a sha256"),
  files: boundedList(z.strictObject({ name: fileName, file: storedFileSchema }), { most: 16 }),
});
export type StoredAdapter = Readonly<z.infer<typeof storedAdapterSchema>>;

/**
 * Writes an adapter to a store.
 * @param folder in the store
 * @param scratch a folder of this machine
 */
export async function putAdapter(
  store: Store,
  folder: string,
  adapter: Adapter,
  scratch: string,
): Promise<StoredAdapter> {
  const path = join(scratch, "adapter");
  const hash = await saveAdapter(path, adapter, { replace: true });
  const files: { name: string; file: Awaited<ReturnType<typeof putFile>> }[] = [];
  for (const name of (await readdir(path)).sort()) {
    files.push({ name, file: await putFile(store, folder, "part", join(path, name)) });
  }
  await rm(path, { recursive: true });
  return { hash, files };
}

/**
 * @param scratch a folder of this machine
 * @throws KvDistillError `model-mismatch` for another model's adapter or another adapter than is named; as `loadAdapter` and `fetchFile`
 */
export async function getAdapter(
  store: Store,
  { hash, files }: StoredAdapter,
  model: ModelFiles,
  scratch: string,
): Promise<Adapter> {
  const path = join(scratch, "adapter");
  await rm(path, { recursive: true, force: true });
  await mkdir(path, { recursive: true });
  for (const { name, file } of files) await fetchFile(store, file, join(path, name));
  const adapter = await loadAdapter(path, { expectModel: model });
  await rm(path, { recursive: true });
  const got = adapterHash(adapter);
  if (got === hash) return adapter;
  throw new KvDistillError("model-mismatch", "the store holds another adapter than the job names", {
    expected: `sha256 ${hash}`,
    got: `sha256 ${got}`,
  });
}
