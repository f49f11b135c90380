import { z } from "zod";
import { quote } from "../../util/quote.ts";
import { KvDistillError } from "../../util/errors.ts";

const MAX_KEY = 512;
/** Plain names between slashes: none begins with a dot, so that a key leads nowhere but down. */
const KEY = /^[A-Za-z0-9_][A-Za-z0-9._-]*(?:\/[A-Za-z0-9_][A-Za-z0-9._-]*)*$/;

export function isStoreKey(key: string): boolean {
  return key.length <= MAX_KEY && KEY.test(key);
}

/** @throws KvDistillError `bad-argument` for a path that is no place below a store */
export function checkStoreKey(key: string): string {
  if (isStoreKey(key)) return key;
  throw new KvDistillError("bad-argument", "not a place inside the store", {
    where: quote(key),
    expected: "names of letters, digits and . _ - between slashes, none beginning with a dot",
  });
}

/** A file in a store, and what it must hold. */
export const storedFileSchema = z.strictObject({
  key: z.string().refine(isStoreKey, "not a place inside the store"),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, "not a sha256"),
  bytes: z.int().min(0),
});
export type StoredFile = Readonly<z.infer<typeof storedFileSchema>>;
