import { KvDistillError } from "../util/errors.ts";

interface DTypeArrays {
  float32: Float32Array<ArrayBuffer>;
  float16: Uint16Array<ArrayBuffer>;
  int64: BigInt64Array<ArrayBuffer>;
  int32: Int32Array<ArrayBuffer>;
  uint8: Uint8Array<ArrayBuffer>;
  int8: Int8Array<ArrayBuffer>;
  bool: Uint8Array<ArrayBuffer>;
}

/** Element types of tensors in memory. `float16` holds raw bits; `bool` holds 0 or 1. */
export type DType = keyof DTypeArrays;
export type DataOf<D extends DType> = DTypeArrays[D];

/** A dense row-major array: `data.length` is the product of `dims`. */
export interface Tensor<D extends DType = DType> {
  readonly dtype: D;
  readonly dims: readonly number[];
  readonly data: DataOf<D>;
}

const ARRAYS: { readonly [D in DType]: { new (length: number): DTypeArrays[D]; readonly BYTES_PER_ELEMENT: number } } =
  {
    float32: Float32Array,
    float16: Uint16Array,
    int64: BigInt64Array,
    int32: Int32Array,
    uint8: Uint8Array,
    int8: Int8Array,
    bool: Uint8Array,
  };

/** Number of elements of a shape; 1 for a scalar. */
export function elementCount(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1);
}

/** Bytes of one element. */
export function bytesPerElement(dtype: DType): number {
  return ARRAYS[dtype].BYTES_PER_ELEMENT;
}

/**
 * A tensor over `data`, without a copy.
 * @throws KvDistillError `shape-mismatch` when `data.length` is not the product of `dims`.
 */
export function tensor<D extends DType>(dtype: D, dims: readonly number[], data: DataOf<D>): Tensor<D> {
  if (data.length !== elementCount(dims)) {
    throw new KvDistillError("shape-mismatch", "data does not fill the shape", {
      expected: `${elementCount(dims).toString()} elements for [${dims.join(", ")}]`,
      got: data.length.toString(),
    });
  }
  return { dtype, dims, data };
}

/** A tensor of zeros. */
export function zeros<D extends DType>(dtype: D, dims: readonly number[]): Tensor<D> {
  return { dtype, dims, data: new ARRAYS[dtype](elementCount(dims)) };
}

/** A float32 tensor from numbers. */
export function floats(dims: readonly number[], values: ArrayLike<number>): Tensor<"float32"> {
  return tensor("float32", dims, Float32Array.from(values));
}

/** An int64 tensor from whole numbers. */
export function ints(dims: readonly number[], values: ArrayLike<number>): Tensor<"int64"> {
  return tensor(
    "int64",
    dims,
    BigInt64Array.from(values, (value) => BigInt(value)),
  );
}

/**
 * The same tensor, known to be of one dtype.
 * @throws KvDistillError `shape-mismatch` when it is of another.
 */
export function asDType<D extends DType>(value: Tensor, dtype: D, where?: string): Tensor<D> {
  if (value.dtype !== dtype) {
    throw new KvDistillError("shape-mismatch", "tensor has another element type", {
      ...(where === undefined ? {} : { where }),
      expected: dtype,
      got: value.dtype,
    });
  }
  return value as Tensor<D>;
}
