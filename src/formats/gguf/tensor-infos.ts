import { KvDistillError } from "../../util/errors.ts";
import { quote } from "../../util/quote.ts";
import type { Cursor } from "./cursor.ts";
import { GGML_TYPES, ggmlTypeOf, type GgmlType } from "./ggml-types.ts";
import { readString } from "./metadata.ts";

/** One tensor as the header declares it, sizes checked. The offset counts from the start of the tensor data. */
export interface GgufTensorInfo {
  readonly name: string;
  readonly type: GgmlType;
  /** Row-major, outermost dimension first: the file's order reversed. */
  readonly shape: readonly number[];
  readonly elements: number;
  readonly relativeOffset: bigint;
  readonly byteLength: number;
}

const MAX_NAME_BYTES = 1024;
const MAX_RANK = 4;

/**
 * Reads `count` tensor descriptions (format: GGUF specification, `gguf_tensor_info_t`).
 * @throws KvDistillError `bad-file` (also for a name given twice), `too-large`, `unsupported`.
 */
export function readTensorInfos(cursor: Cursor, count: number, file: string): GgufTensorInfo[] {
  const names = new Set<string>();
  const infos: GgufTensorInfo[] = [];
  for (let i = 0; i < count; i++) {
    const info = readTensorInfo(cursor, i, file);
    if (names.has(info.name)) {
      throw new KvDistillError("bad-file", "duplicate tensor name", { where: file, got: quote(info.name) });
    }
    names.add(info.name);
    infos.push(info);
  }
  return infos;
}

function readTensorInfo(cursor: Cursor, index: number, file: string): GgufTensorInfo {
  const name = readString(cursor, `name of tensor ${index.toString()}`, file, MAX_NAME_BYTES);
  const what = `tensor ${quote(name)}`;
  const where = `${file}: ${what}`;
  const rank = cursor.uint32(what);
  if (rank > MAX_RANK) {
    throw new KvDistillError("bad-file", "too many dimensions", {
      where,
      expected: `at most ${MAX_RANK.toString()}`,
      got: rank.toString(),
    });
  }
  const innermostFirst: bigint[] = [];
  for (let axis = 0; axis < rank; axis++) innermostFirst.push(cursor.uint64(what));
  const typeId = cursor.uint32(what);
  const type = ggmlTypeOf(typeId);
  if (type === undefined) {
    throw new KvDistillError("unsupported", "unknown element type", { where, got: typeId.toString() });
  }
  const relativeOffset = cursor.uint64(what);
  const { elements, byteLength } = checkedSize(innermostFirst, type, where);
  return { name, type, shape: innermostFirst.map(Number).reverse(), elements, relativeOffset, byteLength };
}

/** The declared shape's elements and bytes; refused when a row is not whole blocks or a number is not exact. */
function checkedSize(
  innermostFirst: readonly bigint[],
  type: GgmlType,
  where: string,
): { elements: number; byteLength: number } {
  const { blockElements, blockBytes } = GGML_TYPES[type];
  const elements = innermostFirst.reduce((product, dim) => product * dim, 1n);
  const byteLength = (elements / BigInt(blockElements)) * BigInt(blockBytes);
  if (innermostFirst.includes(0n)) throw new KvDistillError("bad-file", "a dimension is 0", { where });
  if ((innermostFirst[0] ?? 1n) % BigInt(blockElements) !== 0n) {
    throw new KvDistillError("bad-file", "a row is not a whole number of blocks", {
      where,
      expected: `a multiple of ${blockElements.toString()} for ${type}`,
      got: String(innermostFirst[0] ?? 1n),
    });
  }
  if (elements > BigInt(Number.MAX_SAFE_INTEGER) || byteLength > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new KvDistillError("too-large", "the tensor is too large", { where, got: `${elements.toString()} elements` });
  }
  return { elements: Number(elements), byteLength: Number(byteLength) };
}
