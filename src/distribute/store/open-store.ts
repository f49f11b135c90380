import { KvDistillError } from "../../util/errors.ts";
import type { Store } from "./store.ts";

/**
 * The store that a person names: a folder that all machines mount, or `s3://bucket/prefix` (docs/distributing.md).
 * @throws KvDistillError `bad-argument`, `not-found`
 */
export async function openStore(place: string): Promise<Store> {
  if (/^s3:\/\//i.test(place)) return (await import("./s3-store.ts")).openS3Store(place);
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(place)?.[1];
  if (scheme === undefined) return (await import("./folder-store.ts")).openFolderStore(place);
  throw new KvDistillError("bad-argument", "there is no such kind of store", {
    where: "--store",
    expected: "a folder, or s3://bucket/prefix",
    got: `${scheme}://`,
  });
}
