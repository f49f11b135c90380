import { KvDistillError } from "../util/errors.ts";
import type { CompressionMethod } from "./method.ts";

/**
 * Programs that a cache is exported to hold equally many rows for every head, and go on reading after the context (docs/exporting.md).
 * @throws KvDistillError `bad-argument` for a method, or an adapter, that does otherwise
 */
export function checkExportable({ name, ragged, readPositions }: CompressionMethod): void {
  if (ragged === true) {
    throw new KvDistillError("bad-argument", "heads keep different numbers of rows, which other programs cannot hold", {
      where: name,
      hint: name === "kv-distill" ? "use an adapter trained per head" : "choose another method, such as kvzip-uniform",
    });
  }
  if (readPositions !== "kept") return;
  throw new KvDistillError(
    "bad-argument",
    "reading goes on at the number of kept rows, which other programs do not do",
    {
      where: name,
      hint: "use an adapter that was trained to go on after the context",
    },
  );
}
