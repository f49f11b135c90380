import { quote } from "../../util/quote.ts";
import { withFile } from "../../util/with-file.ts";
import { floatsFromBytes, type IntegerArray, integersFromBytes, readEntryBytes } from "./decode.ts";
import type { SafetensorsEntry } from "./read-header.ts";

/**
 * One tensor's bytes as they lie in the file (little-endian, row-major).
 * @throws KvDistillError `not-found`, `disk`, `bad-file` (the file has changed since it was opened), `out-of-memory`.
 */
export async function readTensorBytes(entry: SafetensorsEntry): Promise<Uint8Array<ArrayBuffer>> {
  return withFile(entry.file, (file) => readEntryBytes(file, entry));
}

/**
 * One floating-point tensor as float32: F16 and BF16 exactly, F64 rounded to nearest.
 * @throws KvDistillError as `readTensorBytes`, and `unsupported` for whole-number and boolean tensors.
 */
export async function readTensorFloats(entry: SafetensorsEntry): Promise<Float32Array<ArrayBuffer>> {
  return floatsFromBytes(await readTensorBytes(entry), entry.dtype, `${entry.file}: tensor ${quote(entry.name)}`);
}

/**
 * One whole-number or boolean tensor.
 * @throws KvDistillError as `readTensorBytes`, and `unsupported` for floating-point tensors.
 */
export async function readTensorIntegers(entry: SafetensorsEntry): Promise<IntegerArray> {
  return integersFromBytes(await readTensorBytes(entry), entry.dtype, `${entry.file}: tensor ${quote(entry.name)}`);
}
