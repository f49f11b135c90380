import { compareBytes, utf8Bytes } from "../../util/bytes.ts";
import { KvDistillError } from "../../util/errors.ts";
import { quote } from "../../util/quote.ts";
import { SAFETENSORS_DTYPES, type SafetensorsDType } from "./dtypes.ts";
import { isTensorName } from "./tensor-info.ts";

/** What a header needs to know of a tensor. */
export interface TensorDescription {
  readonly name: string;
  readonly dtype: SafetensorsDType;
  /** Row-major, outermost dimension first. */
  readonly shape: readonly number[];
}

/** Bytes of a tensor of this shape and element type. */
export function tensorByteLength(tensor: TensorDescription): number {
  return tensor.shape.reduce((product, dim) => product * dim, SAFETENSORS_DTYPES[tensor.dtype].bytes);
}

/** The order of tensors in a file: widest element type first, then by name in UTF-8 order. */
export function inFileOrder<T extends TensorDescription>(tensors: readonly T[]): T[] {
  return [...tensors].sort(
    (a, b) =>
      SAFETENSORS_DTYPES[b.dtype].order - SAFETENSORS_DTYPES[a.dtype].order ||
      compareBytes(utf8Bytes(a.name), utf8Bytes(b.name)),
  );
}

/**
 * The bytes before the data: header length, JSON, spaces up to a multiple of 8.
 * @param tensors already in file order
 * @throws KvDistillError `bad-argument` for a name given twice or reserved, or a size that is not a whole number.
 */
export function encodeSafetensorsHeader(
  tensors: readonly TensorDescription[],
  metadata: ReadonlyMap<string, string>,
): Uint8Array<ArrayBuffer> {
  const fields: string[] = [];
  if (metadata.size > 0) fields.push(`"__metadata__":${JSON.stringify(Object.fromEntries(metadata))}`);
  const seen = new Set(["__metadata__"]);
  let begin = 0;
  for (const tensor of tensors) {
    checkDescription(tensor, seen);
    const end = begin + tensorByteLength(tensor);
    const info = { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [begin, end] };
    fields.push(`${JSON.stringify(tensor.name)}:${JSON.stringify(info)}`);
    begin = end;
  }
  const json = utf8Bytes(`{${fields.join(",")}}`);
  const length = Math.ceil(json.length / 8) * 8;
  const header = new Uint8Array(8 + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(json, 8);
  return header;
}

function checkDescription(tensor: TensorDescription, seen: Set<string>): void {
  const where = `tensor ${quote(tensor.name)}`;
  if (!isTensorName(tensor.name)) throw new KvDistillError("bad-argument", "the name is not valid Unicode", { where });
  if (seen.has(tensor.name)) throw new KvDistillError("bad-argument", "the name is taken", { where });
  seen.add(tensor.name);
  if (
    !tensor.shape.every((dim) => Number.isSafeInteger(dim) && dim >= 0) ||
    !Number.isSafeInteger(tensorByteLength(tensor))
  ) {
    throw new KvDistillError("bad-argument", "not a shape", { where, got: `[${tensor.shape.join(", ")}]` });
  }
}
