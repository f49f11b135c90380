import { KvDistillError } from "../../util/errors.ts";
import { quote } from "../../util/quote.ts";
import type { Cursor } from "./cursor.ts";
import type { GgufLimits } from "./limits.ts";
import { GGUF_SCALARS, readScalars, type GgufScalarType } from "./scalars.ts";

/** One metadata value with the type that the file declares. 64-bit integers are bigint; arrays hold one type each. */
export type GgufValue =
  | { readonly type: "string"; readonly value: string }
  | { readonly type: GgufScalarType; readonly value: number | bigint | boolean }
  | { readonly type: "array"; readonly of: "string"; readonly values: readonly string[] }
  | { readonly type: "array"; readonly of: GgufScalarType; readonly values: readonly (number | bigint | boolean)[] };

const STRING = 8;
const ARRAY = 9;

/**
 * Reads `count` key-value pairs (format: GGUF specification, `gguf_metadata_kv_t`).
 * @throws KvDistillError `bad-file` (also for a key given twice), `too-large`, `unsupported` (arrays of arrays).
 */
export function readMetadata(
  cursor: Cursor,
  count: number,
  where: string,
  limits: GgufLimits,
): ReadonlyMap<string, GgufValue> {
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < count; i++) {
    const key = readString(cursor, `metadata key ${i.toString()}`, where, limits.maxStringBytes);
    if (metadata.has(key)) throw new KvDistillError("bad-file", "duplicate metadata key", { where, got: quote(key) });
    metadata.set(key, readValue(cursor, key, where, limits));
  }
  return metadata;
}

/**
 * A string: 64-bit byte length, then UTF-8.
 * @throws KvDistillError `bad-file` or `too-large`.
 */
export function readString(cursor: Cursor, what: string, where: string, maxBytes: number): string {
  const length = checkedCount(cursor.uint64(what), maxBytes, `bytes of ${what}`, where);
  const bytes = cursor.bytes(length, what);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new KvDistillError("bad-file", `${what} is not valid UTF-8`, { where, cause });
  }
}

/**
 * A declared count as a number.
 * @throws KvDistillError `too-large` when it is over the limit.
 */
export function checkedCount(declared: bigint, limit: number, what: string, where: string): number {
  if (declared > BigInt(limit)) {
    throw new KvDistillError("too-large", `too many ${what}`, {
      where,
      expected: `at most ${limit.toString()}`,
      got: declared.toString(),
    });
  }
  return Number(declared);
}

function readValue(cursor: Cursor, key: string, where: string, limits: GgufLimits): GgufValue {
  const what = `metadata ${quote(key)}`;
  const typeId = cursor.uint32(what);
  if (typeId === STRING) return { type: "string", value: readString(cursor, what, where, limits.maxStringBytes) };
  if (typeId === ARRAY) return readArray(cursor, what, where, limits);
  const type = scalarType(typeId, what, where);
  const [value] = readScalars(cursor, type, 1, what, where);
  if (value === undefined) throw new KvDistillError("bad-file", `${what} has no value`, { where });
  return { type, value };
}

function readArray(cursor: Cursor, what: string, where: string, limits: GgufLimits): GgufValue {
  const elementId = cursor.uint32(what);
  const count = checkedCount(cursor.uint64(what), limits.maxArrayElements, `elements in ${what}`, where);
  if (elementId === ARRAY) throw new KvDistillError("unsupported", `${what} is an array of arrays`, { where });
  const smallest = elementId === STRING ? 8 : GGUF_SCALARS[scalarType(elementId, what, where)].bytes;
  if (count * smallest > cursor.remaining()) {
    throw new KvDistillError("bad-file", `the file ends inside ${what}`, {
      where,
      expected: `${count.toString()} elements`,
      got: `${cursor.remaining().toString()} bytes`,
    });
  }
  if (elementId !== STRING) {
    const of = scalarType(elementId, what, where);
    return { type: "array", of, values: readScalars(cursor, of, count, what, where) };
  }
  const values: string[] = [];
  for (let i = 0; i < count; i++) values.push(readString(cursor, what, where, limits.maxStringBytes));
  return { type: "array", of: "string", values };
}

const SCALAR_OF_ID = new Map<number, GgufScalarType>(
  (Object.keys(GGUF_SCALARS) as GgufScalarType[]).map((type) => [GGUF_SCALARS[type].id, type]),
);

function scalarType(id: number, what: string, where: string): GgufScalarType {
  const type = SCALAR_OF_ID.get(id);
  if (type === undefined) {
    throw new KvDistillError("bad-file", `${what} has an unknown value type`, { where, got: id.toString() });
  }
  return type;
}
