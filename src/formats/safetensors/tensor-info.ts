import { KvDistillError } from "../../util/errors.ts";
import { quote } from "../../util/quote.ts";
import { isJsonObject } from "../../util/strict-json.ts";
import { isSafetensorsDType, SAFETENSORS_DTYPES, type SafetensorsDType } from "./dtypes.ts";

/** One tensor of a header. Offsets count bytes from the start of the data section. */
export interface SafetensorsTensorInfo {
  readonly name: string;
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/**
 * Checks one `"name": {"dtype", "shape", "data_offsets"}` of a header: types, ranges, and shape × element size = bytes.
 * @param file the file, for errors
 * @throws KvDistillError `bad-file`, `too-large` or `unsupported`.
 */
export function parseTensorInfo(name: string, raw: unknown, file: string, maxRank: number): SafetensorsTensorInfo {
  const where = `${file}: tensor ${quote(name)}`;
  if (!isJsonObject(raw)) throw new KvDistillError("bad-file", "not an object", { where });
  const { dtype, shape, data_offsets: offsets, ...unknown } = raw;
  const [unknownKey] = Object.keys(unknown);
  if (unknownKey !== undefined) {
    throw new KvDistillError("bad-file", "unknown key", { where, got: quote(unknownKey) });
  }
  if (!isTensorName(name)) throw new KvDistillError("bad-file", "the name is not valid Unicode", { where });
  const known = parseDType(dtype, where);
  const dims = parseSizes(shape, "shape", where);
  if (dims.length > maxRank) {
    throw new KvDistillError("too-large", "too many dimensions", {
      where,
      expected: `at most ${maxRank.toString()}`,
      got: dims.length.toString(),
    });
  }
  const [begin, end, ...more] = parseSizes(offsets, "data_offsets", where);
  if (begin === undefined || end === undefined || more.length > 0 || begin > end) {
    throw new KvDistillError("bad-file", "data_offsets is not [begin, end]", { where });
  }
  checkByteLength(dims, known, end - begin, where);
  return { name, dtype: known, shape: dims, begin, end };
}

/** Whether a name is Unicode text: a lone surrogate cannot be stored as UTF-8. */
export function isTensorName(name: string): boolean {
  return !/\p{Surrogate}/u.test(name);
}

function parseDType(dtype: unknown, where: string): SafetensorsDType {
  if (typeof dtype !== "string") throw new KvDistillError("bad-file", "dtype is not a string", { where });
  if (isSafetensorsDType(dtype)) return dtype;
  throw new KvDistillError("unsupported", "element type not handled", {
    where,
    expected: `one of ${Object.keys(SAFETENSORS_DTYPES).join(", ")}`,
    got: quote(dtype),
  });
}

function parseSizes(raw: unknown, field: string, where: string): number[] {
  if (!Array.isArray(raw)) throw new KvDistillError("bad-file", `${field} is not an array`, { where });
  return raw.map((size: unknown) => {
    if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
      throw new KvDistillError("bad-file", `${field} holds something that is not a size`, {
        where,
        got: quote(String(size)),
      });
    }
    return size;
  });
}

function checkByteLength(dims: readonly number[], dtype: SafetensorsDType, byteLength: number, where: string): void {
  const product = dims.reduce((size, dim) => size * BigInt(dim), BigInt(SAFETENSORS_DTYPES[dtype].bytes));
  if (product !== BigInt(byteLength)) {
    throw new KvDistillError("bad-file", "the bytes do not fill the shape", {
      where,
      expected: `${product.toString()} bytes for ${dtype} [${dims.join(", ")}]`,
      got: byteLength.toString(),
    });
  }
}
