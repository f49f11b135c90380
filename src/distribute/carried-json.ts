import { KvDistillError } from "../util/errors.ts";

/**
 * JSON that machines send each other. Its writer is known by a proof or its digest, and yet it may be cut or of another version.
 * @throws KvDistillError `bad-argument`: trying again would not help
 */
export function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new KvDistillError("bad-argument", "not JSON", { where, cause });
  }
}
