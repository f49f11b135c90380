import { KvDistillError } from "../../util/errors.ts";
import { quote } from "../../util/quote.ts";
import { createCursor, type ByteSource } from "./cursor.ts";
import type { GgmlType } from "./ggml-types.ts";
import type { GgufLimits } from "./limits.ts";
import { checkedCount, readMetadata, type GgufValue } from "./metadata.ts";
import { readTensorInfos, type GgufTensorInfo } from "./tensor-infos.ts";

/** One tensor: its type, its shape and where its bytes lie. */
export interface GgufTensor {
  readonly name: string;
  readonly type: GgmlType;
  /** Row-major, outermost dimension first: [out, in] for a weight matrix, as in PyTorch. */
  readonly shape: readonly number[];
  readonly elements: number;
  /** Bytes from the start of the file. */
  readonly offset: number;
  readonly byteLength: number;
  readonly file: string;
}

export interface GgufFile {
  readonly path: string;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

const MAGIC = 0x46554747; // "GGUF", read as a little-endian 32-bit number
const DEFAULT_ALIGNMENT = 32;
const MAX_ALIGNMENT = 1 << 20;

/**
 * Reads everything before the tensor data (format: GGUF specification, versions 2 and 3, little-endian) and checks
 * that every tensor lies aligned inside the file and overlaps no other.
 * @throws KvDistillError `bad-file`, `too-large`, `unsupported`.
 */
export function parseGgufHeader(source: ByteSource, path: string, limits: GgufLimits): GgufFile {
  const cursor = createCursor(source, path, limits.maxHeaderBytes);
  if (cursor.uint32("the magic number") !== MAGIC) {
    throw new KvDistillError("bad-file", "not a GGUF file", { where: path });
  }
  const version = cursor.uint32("the version");
  if (version !== 2 && version !== 3) {
    throw new KvDistillError("unsupported", "GGUF version not handled", {
      where: path,
      expected: "2 or 3, little-endian",
      got: version.toString(),
    });
  }
  const tensorCount = checkedCount(cursor.uint64("the tensor count"), limits.maxTensors, "tensors", path);
  const keyCount = checkedCount(cursor.uint64("the key count"), limits.maxKeys, "metadata keys", path);
  const metadata = readMetadata(cursor, keyCount, path, limits);
  const infos = readTensorInfos(cursor, tensorCount, path);
  const alignment = alignmentOf(metadata, path);
  const dataOffset = Math.ceil(cursor.position() / alignment) * alignment;
  const tensors = infos.map((info) => placeTensor(info, dataOffset, alignment, source.size, path));
  checkSeparate(tensors, path);
  return { path, metadata, tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])) };
}

function alignmentOf(metadata: ReadonlyMap<string, GgufValue>, where: string): number {
  const entry = metadata.get("general.alignment");
  if (entry === undefined) return DEFAULT_ALIGNMENT;
  const alignment = entry.type === "uint32" ? Number(entry.value) : 0;
  if (alignment < 1 || alignment > MAX_ALIGNMENT || (alignment & (alignment - 1)) !== 0) {
    throw new KvDistillError("bad-file", "general.alignment is not usable", {
      where,
      expected: `a uint32 power of two up to ${MAX_ALIGNMENT.toString()}`,
      got: entry.type === "array" ? "array" : `${entry.type} ${String(entry.value)}`,
    });
  }
  return alignment;
}

function placeTensor(
  info: GgufTensorInfo,
  dataOffset: number,
  alignment: number,
  fileSize: number,
  path: string,
): GgufTensor {
  const where = `${path}: tensor ${quote(info.name)}`;
  if (info.relativeOffset % BigInt(alignment) !== 0n) {
    throw new KvDistillError("bad-file", "the offset is not aligned", {
      where,
      expected: `a multiple of ${alignment.toString()}`,
      got: info.relativeOffset.toString(),
    });
  }
  const begin = BigInt(dataOffset) + info.relativeOffset;
  const end = begin + BigInt(info.byteLength);
  if (end > BigInt(fileSize)) {
    throw new KvDistillError("bad-file", "the tensor reaches past the end of the file", {
      where,
      expected: `bytes ${begin.toString()} to ${end.toString()}`,
      got: `a file of ${fileSize.toString()} bytes`,
      hint: "the file is cut short: copy or download it again",
    });
  }
  const { name, type, shape, elements, byteLength } = info;
  return { name, type, shape, elements, offset: Number(begin), byteLength, file: path };
}

function checkSeparate(tensors: readonly GgufTensor[], path: string): void {
  let covered = 0;
  for (const { name, offset, byteLength } of [...tensors].sort((a, b) => a.offset - b.offset)) {
    if (offset < covered) {
      throw new KvDistillError("bad-file", "tensors overlap", { where: `${path}: tensor ${quote(name)}` });
    }
    covered = offset + byteLength;
  }
}
