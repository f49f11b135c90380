import { bytesPerElement, type DataOf, type DType, elementCount, type Tensor, tensor } from "./tensor.ts";

const VIEWS: { readonly [D in DType]: (bytes: ArrayBuffer) => DataOf<D> } = {
  float32: (bytes) => new Float32Array(bytes),
  float16: (bytes) => new Uint16Array(bytes),
  int64: (bytes) => new BigInt64Array(bytes),
  int32: (bytes) => new Int32Array(bytes),
  uint8: (bytes) => new Uint8Array(bytes),
  int8: (bytes) => new Int8Array(bytes),
  bool: (bytes) => new Uint8Array(bytes),
};

/** The memory of a tensor, byte by byte; not a copy. */
export function bytesOf(value: Tensor): Uint8Array<ArrayBuffer> {
  return new Uint8Array(value.data.buffer, value.data.byteOffset, value.data.byteLength);
}

/** A tensor over a whole buffer of little-endian numbers, exactly as long as the shape asks, without a copy. */
export function tensorOverBytes<D extends DType>(dtype: D, dims: readonly number[], bytes: ArrayBuffer): Tensor<D> {
  return tensor(dtype, dims, VIEWS[dtype](bytes));
}

/** A copy in memory of its own, whatever the original is a view of. */
export function copyOf<D extends DType>(value: Tensor<D>): Tensor<D> {
  const copy = new Uint8Array(value.data.byteLength);
  copy.set(bytesOf(value));
  return { dtype: value.dtype, dims: [...value.dims], data: VIEWS[value.dtype](copy.buffer) };
}

/** Bytes that a tensor of this type and shape takes. */
export function byteCount(dtype: DType, dims: readonly number[]): number {
  return elementCount(dims) * bytesPerElement(dtype);
}
