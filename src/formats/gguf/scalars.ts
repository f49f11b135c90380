import { KvDistillError } from "../../util/errors.ts";
import type { Cursor } from "./cursor.ts";

/** Fixed-size metadata types with their number in the file and their size (format: GGUF specification). */
export const GGUF_SCALARS = {
  uint8: { id: 0, bytes: 1 },
  int8: { id: 1, bytes: 1 },
  uint16: { id: 2, bytes: 2 },
  int16: { id: 3, bytes: 2 },
  uint32: { id: 4, bytes: 4 },
  int32: { id: 5, bytes: 4 },
  float32: { id: 6, bytes: 4 },
  bool: { id: 7, bytes: 1 },
  uint64: { id: 10, bytes: 8 },
  int64: { id: 11, bytes: 8 },
  float64: { id: 12, bytes: 8 },
} as const;

export type GgufScalarType = keyof typeof GGUF_SCALARS;

/**
 * Reads `count` values of one type.
 * @throws KvDistillError `bad-file` when the file ends first or a boolean is neither 0 nor 1.
 */
export function readScalars(
  cursor: Cursor,
  type: GgufScalarType,
  count: number,
  what: string,
  where: string,
): (number | bigint | boolean)[] {
  const { bytes } = GGUF_SCALARS[type];
  const view = cursor.view(count * bytes, what);
  return Array.from({ length: count }, (_, i) => readScalar(view, i * bytes, type, what, where));
}

function readScalar(
  view: DataView,
  at: number,
  type: GgufScalarType,
  what: string,
  where: string,
): number | bigint | boolean {
  switch (type) {
    case "uint8":
      return view.getUint8(at);
    case "int8":
      return view.getInt8(at);
    case "uint16":
      return view.getUint16(at, true);
    case "int16":
      return view.getInt16(at, true);
    case "uint32":
      return view.getUint32(at, true);
    case "int32":
      return view.getInt32(at, true);
    case "float32":
      return view.getFloat32(at, true);
    case "uint64":
      return view.getBigUint64(at, true);
    case "int64":
      return view.getBigInt64(at, true);
    case "float64":
      return view.getFloat64(at, true);
    case "bool":
      return readBool(view.getUint8(at), what, where);
  }
}

function readBool(byte: number, what: string, where: string): boolean {
  if (byte > 1) throw new KvDistillError("bad-file", `${what} is not a boolean`, { where, got: byte.toString() });
  return byte === 1;
}
