import { withFile } from "../../util/with-file.ts";
import type { SafetensorsLimits } from "./limits.ts";
import { readSafetensorsHeader, type SafetensorsFile } from "./read-header.ts";

export type { SafetensorsEntry, SafetensorsFile } from "./read-header.ts";

/**
 * Reads and checks the header of a safetensors file; no tensor data is read.
 * @throws KvDistillError `not-found`, `disk`, `bad-file`, `too-large`, `unsupported`.
 */
export async function openSafetensors(path: string, limits: Partial<SafetensorsLimits> = {}): Promise<SafetensorsFile> {
  return withFile(path, (file, size) => readSafetensorsHeader(file, size, path, limits));
}
