import { KvDistillError } from "../../util/errors.ts";
import { type ReadableFile, readRange } from "../../util/read-range.ts";
import type { SafetensorsDType } from "./dtypes.ts";
import { parseSafetensorsHeader } from "./header.ts";
import { SAFETENSORS_LIMITS, type SafetensorsLimits } from "./limits.ts";

/** Where one tensor lies: everything needed to read it, or to hand it to ONNX Runtime as external data. */
export interface SafetensorsEntry {
  readonly name: string;
  readonly dtype: SafetensorsDType;
  /** Row-major, outermost dimension first. */
  readonly shape: readonly number[];
  /** Bytes from the start of the file. */
  readonly offset: number;
  readonly byteLength: number;
  /** The file's path as it was opened. */
  readonly file: string;
}

export interface SafetensorsFile {
  readonly path: string;
  /** In the order of their data. */
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  readonly metadata: ReadonlyMap<string, string>;
  /** Bytes before the data section: the 8-byte length and the header. */
  readonly dataOffset: number;
  readonly fileSize: number;
}

/**
 * Reads and checks the header of an open safetensors file of `fileSize` bytes; no tensor data is read.
 * @param path for errors and for the entries
 * @throws KvDistillError `disk`, `bad-file`, `too-large`, `unsupported`.
 */
export async function readSafetensorsHeader(
  file: ReadableFile,
  fileSize: number,
  path: string,
  limits: Partial<SafetensorsLimits> = {},
): Promise<SafetensorsFile> {
  const caps = { ...SAFETENSORS_LIMITS, ...limits };
  if (fileSize < 8) {
    throw new KvDistillError("bad-file", "too short for a safetensors file", {
      where: path,
      got: `${fileSize.toString()} bytes`,
    });
  }
  const lengthBytes = await readRange(file, 0, 8, path);
  const declared = new DataView(lengthBytes.buffer).getBigUint64(0, true);
  const dataOffset = 8 + checkHeaderLength(declared, fileSize, caps.maxHeaderBytes, path);
  const json = await readRange(file, 8, dataOffset - 8, path);
  const header = parseSafetensorsHeader(json, fileSize - dataOffset, path, caps);
  const entries = new Map<string, SafetensorsEntry>();
  for (const { name, dtype, shape, begin, end } of header.tensors) {
    entries.set(name, { name, dtype, shape, offset: dataOffset + begin, byteLength: end - begin, file: path });
  }
  return { path, entries, metadata: header.metadata, dataOffset, fileSize };
}

function checkHeaderLength(declared: bigint, fileSize: number, maxHeaderBytes: number, where: string): number {
  if (declared > BigInt(fileSize - 8)) {
    throw new KvDistillError("bad-file", "the header is longer than the file", {
      where,
      expected: `at most ${(fileSize - 8).toString()} bytes`,
      got: declared.toString(),
      hint: "the file is cut short, or is not a safetensors file",
    });
  }
  if (declared > BigInt(maxHeaderBytes)) {
    throw new KvDistillError("too-large", "the header is over the limit", {
      where,
      expected: `at most ${maxHeaderBytes.toString()} bytes`,
      got: declared.toString(),
    });
  }
  return Number(declared);
}
