import { KvDistillError } from "../util/errors.ts";
import type { CompressionMethod } from "./method.ts";

/**
 * Programs that a cache is exported to hold equally many rows for every head (docs/exporting.md).
 * @throws KvDistillError `bad-argument` for a method, or an adapter, whose heads keep different numbers
 */
export function checkExportable({ name, ragged }: CompressionMethod): void {
  if (ragged !== true) return;
  throw new KvDistillError("bad-argument", "heads keep different numbers of rows, which other programs cannot hold", {
    where: name,
    hint: name === "kv-distill" ? "use an adapter trained per head" : "choose another method, such as kvzip-uniform",
  });
}
