import { KvDistillError } from "../../util/errors.ts";
import { quote } from "../../util/quote.ts";
import { type ReadableFile, readRange } from "../../util/read-range.ts";
import { brainToFloat, halfToFloat } from "../float16.ts";
import type { SafetensorsDType } from "./dtypes.ts";
import type { SafetensorsEntry, SafetensorsFile } from "./read-header.ts";

/**
 * The entry of a name.
 * @throws KvDistillError `not-found`.
 */
export function findEntry(file: SafetensorsFile, name: string): SafetensorsEntry {
  const entry = file.entries.get(name);
  if (entry === undefined)
    throw new KvDistillError("not-found", "no such tensor", { where: file.path, got: quote(name) });
  return entry;
}

/**
 * One tensor's bytes as they lie in an open file (little-endian, row-major).
 * @throws KvDistillError `disk`, `bad-file` (the file has changed since it was opened), `out-of-memory`.
 */
export async function readEntryBytes(file: ReadableFile, entry: SafetensorsEntry): Promise<Uint8Array<ArrayBuffer>> {
  return readRange(file, entry.offset, entry.byteLength, `${entry.file}: tensor ${quote(entry.name)}`);
}

/**
 * Bytes of a floating-point tensor as float32.
 * @param bytes a whole number of elements, from byte 0 of its buffer
 * @throws KvDistillError `unsupported` for other element types.
 */
export function floatsFromBytes(
  bytes: Uint8Array<ArrayBuffer>,
  dtype: SafetensorsDType,
  where: string,
): Float32Array<ArrayBuffer> {
  switch (dtype) {
    case "F32":
      return new Float32Array(bytes.buffer);
    case "F16":
      return halfToFloat(new Uint16Array(bytes.buffer));
    case "BF16":
      return brainToFloat(new Uint16Array(bytes.buffer));
    case "F64":
      return Float32Array.from(new Float64Array(bytes.buffer));
    default:
      throw new KvDistillError("unsupported", "not a floating-point tensor", { where, got: dtype });
  }
}

/** Whole numbers at their own width; BOOL as bytes 0 and 1. */
export type IntegerArray = Uint8Array | Int8Array | Int16Array | Int32Array | BigInt64Array;

/** Bytes of a whole-number or boolean tensor at their own width; see `readTensorIntegers`. */
export function integersFromBytes(
  bytes: Uint8Array<ArrayBuffer>,
  dtype: SafetensorsDType,
  where: string,
): IntegerArray {
  switch (dtype) {
    case "U8":
    case "BOOL":
      return bytes;
    case "I8":
      return new Int8Array(bytes.buffer);
    case "I16":
      return new Int16Array(bytes.buffer);
    case "I32":
      return new Int32Array(bytes.buffer);
    case "I64":
      return new BigInt64Array(bytes.buffer);
    default:
      throw new KvDistillError("unsupported", "not a whole-number tensor", { where, got: dtype });
  }
}
