/** Byte pieces of GGUF files, for building damaged and hostile ones by hand. */
export const u8 = (value: number): number[] => [value];
export const u32 = (value: number): number[] => [...new Uint8Array(Uint32Array.of(value).buffer)];
export const u64 = (value: number | bigint): number[] => [...new Uint8Array(BigUint64Array.of(BigInt(value)).buffer)];
export const text = (value: string): number[] => {
  const bytes = [...new TextEncoder().encode(value)];
  return [...u64(bytes.length), ...bytes];
};

export const entry = (key: string, type: number, value: number[]): number[] => [...text(key), ...u32(type), ...value];

export interface TensorField {
  readonly name: string;
  /** Innermost dimension first, as in the file. */
  readonly dims: readonly (number | bigint)[];
  readonly type?: number;
  readonly offset?: number | bigint;
}

const tensorField = ({ name, dims, type = 0, offset = 0 }: TensorField): number[] => [
  ...text(name),
  ...u32(dims.length),
  ...dims.flatMap(u64),
  ...u32(type),
  ...u64(offset),
];

export interface GgufPieces {
  readonly magic?: string;
  readonly version?: number;
  readonly tensorCount?: number | bigint;
  readonly keyCount?: number | bigint;
  readonly entries?: readonly number[][];
  readonly tensors?: readonly TensorField[];
  /** Bytes after the header, which is padded to 32. */
  readonly dataBytes?: number;
}

/** A GGUF file of these pieces; counts default to the truth. */
export function buildGguf(pieces: GgufPieces): Uint8Array {
  const { magic = "GGUF", version = 3, entries = [], tensors = [], dataBytes = 0 } = pieces;
  const header = [
    ...new TextEncoder().encode(magic),
    ...u32(version),
    ...u64(pieces.tensorCount ?? tensors.length),
    ...u64(pieces.keyCount ?? entries.length),
    ...entries.flat(),
    ...tensors.flatMap(tensorField),
  ];
  const dataOffset = Math.ceil(header.length / 32) * 32;
  const file = new Uint8Array(dataBytes === 0 ? header.length : dataOffset + dataBytes);
  file.set(header);
  return file;
}
